"""A branch that renews the rows, and another that reads the old ones."""

from pathlib import Path

from fondant.dataset import Dataset

C = Path(__file__).parent / "components"

root = Dataset.create(C / "source", dataset_name="valid-branch")
parts = root.apply(C / "rows_anew")
dataset = root.apply(C / "images")
