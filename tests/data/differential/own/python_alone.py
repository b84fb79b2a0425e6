"""Python components in branches, and on top of containers."""

from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
from fondant.component import DaskLoadComponent, PandasTransformComponent
from fondant.dataset import Dataset, lightweight_component

C = Path(__file__).parent / "components"
BASE = "registry.example/own/python:3.11"


@lightweight_component(base_image=BASE, produces={"text": pa.string(), "image": pa.binary()})
class Begin(DaskLoadComponent):
    def load(self) -> dd.DataFrame:
        return dd.from_pandas(pd.DataFrame({"text": ["a"]}), npartitions=1)


@lightweight_component(
    base_image=BASE, consumes={"length": pa.int32()}, produces={"double": pa.int32()}
)
class Double(PandasTransformComponent):
    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        return dataframe.assign(double=dataframe["length"] * 2)[["double"]]


@lightweight_component(base_image=BASE)
class Other(PandasTransformComponent):
    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        return dataframe


root = Dataset.create(Begin, dataset_name="python-alone")
dataset = root.apply(C / "texts").apply(Double)
other = root.apply(Other, consumes={"image": pa.binary()}).apply(C / "images")
