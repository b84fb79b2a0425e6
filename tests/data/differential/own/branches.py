"""Branches of branches, a writer in the middle, and a valid branch that drops an index."""

from pathlib import Path

from fondant.dataset import Dataset

C = Path(__file__).parent / "components"

root = Dataset.create(C / "source", arguments={"rows": 5}, dataset_name="own-branches")
texts = root.apply(C / "texts")
images = root.apply(C / "images")
anything = texts.apply(C / "anything", consumes={"words": "words", "text": "text"})
sink = images.write(C / "sink", arguments={"to": "/out/a"})
written = images.write("write_to_file", arguments={"path": "/out/b"})
dataset = written.apply("extract_image_resolution")
