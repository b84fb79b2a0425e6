"""A dataset that is there already: a generic component says which of its fields it reads."""

from pathlib import Path

import pyarrow as pa
from fondant.dataset import Dataset

HERE = Path(__file__).parent

dataset = Dataset.read(str(HERE / "read_manifest.json"))
dataset = dataset.apply(
    HERE / "components/anything",
    consumes={"body": pa.string(), "box": pa.list_(pa.float32())},
    produces={"text": pa.string()},
)
dataset = dataset.apply(HERE / "components/texts")
