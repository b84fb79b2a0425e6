"""Arguments of the types tuple and set."""

from pathlib import Path

from fondant.dataset import Dataset

C = Path(__file__).parent / "components"

dataset = Dataset.create(
    C / "sequences",
    arguments={"pair": [1, "b"], "some": ["a"], "many": [[1], {"a": [None, {"b": 2.5}]}]},
    dataset_name="sequences",
)
