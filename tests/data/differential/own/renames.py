"""Renames in and out, partial ones, chains of them, and fields beyond the file."""

from pathlib import Path

import pyarrow as pa
from fondant.dataset import Dataset

C = Path(__file__).parent / "components"

dataset = Dataset.create(
    C / "source",
    produces={"text": "body", "words": "text", "number": "n"},
    dataset_name="renames",
)
dataset = dataset.apply(C / "texts", consumes={"text": "body"}, produces={"length": "text length"})
dataset = dataset.apply(
    C / "more",
    consumes={"text": "text", "n": pa.int64()},
    produces={"out": "x", "y": pa.bool_()},
)
dataset = dataset.apply(C / "rows_anew", produces={"part": "text"})
dataset = dataset.apply(C / "anything", consumes={"text": pa.string()}, produces={"z": pa.int8()})
