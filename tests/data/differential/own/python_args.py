"""Python components: arguments of every type, source that is hard to carry."""

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import typing as t
from fondant.component import (
    DaskLoadComponent,
    DaskTransformComponent,
    DaskWriteComponent,
    PandasTransformComponent,
)
from fondant.dataset import Dataset, lightweight_component


@lightweight_component(
    base_image="registry.example/own/python:3.11",
    produces={"text": pa.string(), "n": pa.int64(), "tags": pa.list_(pa.string())},
)
class LoadThings(DaskLoadComponent):
    def __init__(
        self,
        rows: int,
        names: t.Optional[list] = None,
        ratio: float = 0.5,
        label: str = "None given",
        on: bool = False,
        options: t.Dict[str, int] = {},
    ):
        self.rows = rows
        self.text = "100% %s %d \\n \n 'single' \"double\" `back` $HOME ${X} $(id) é 漢字 🍫"
        self.raw = r"C:\new\table"
        self.tab = "	"
        self.form = """
    indented

  less: {'a': "b"}   # not a comment
"""

    def load(self) -> dd.DataFrame:
        return dd.from_pandas(pd.DataFrame({"text": ["a"] * self.rows}), npartitions=1)


@lightweight_component(
    base_image="registry.example/own/python:3.11",
    extra_requires=["fondant==0.12.1", "pandas>=2,<3", 'regex==2024.5.15; python_version > "3"'],
    consumes={"text": pa.string(), "additionalProperties": True},
    produces={"upper": pa.string()},
)
class Upper(PandasTransformComponent):
    """Makes it loud."""

    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        return dataframe.assign(upper=dataframe["text"].str.upper())[["upper"]]


@lightweight_component(base_image="registry.example/own/python:3.11")
class Generic(DaskTransformComponent):
    def transform(self, dataframe: dd.DataFrame) -> dd.DataFrame:
        return dataframe


@lightweight_component(
    base_image="registry.example/own/python:3.11", consumes={"upper": pa.string()}
)
class WriteThings(DaskWriteComponent):
    def __init__(self, path: str, *, partitions: int = 1):
        self.path = path

    def write(self, dataframe: dd.DataFrame) -> None:
        dataframe.to_parquet(self.path)


dataset = Dataset.create(
    LoadThings,
    arguments={"rows": 3, "label": "yes", "on": False, "options": {"a": 1}, "names": ["x", "y"]},
    dataset_name="python_args",
)
dataset = dataset.apply(Upper, consumes={"text": "text"}, cache=False)
dataset = dataset.apply(Generic, produces={"extra": pa.struct([("a", pa.int32())])})
dataset = dataset.write(WriteThings, arguments={"path": "/out/things"}, input_partition_rows="7")
