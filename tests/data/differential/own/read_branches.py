"""A dataset that is there already, read by two branches."""

from pathlib import Path

import pyarrow as pa
from fondant.dataset import Dataset

HERE = Path(__file__).parent

root = Dataset.read(str(HERE / "read_manifest.json"))
one = root.apply(HERE / "components/texts", consumes={"text": "body"})
dataset = root.apply(
    HERE / "components/anything",
    consumes={"body": pa.string(), "box": pa.list_(pa.float32())},
    produces={"area": pa.float32()},
)
