"""What the documents say of the tests and of the tree is so."""
import re

from kit import ROOT


def test_backends_names_tests_that_are_there():
    text = (ROOT / "docs/backends.md").read_text()
    named = re.findall(r"`((?:unit|e2e|full)/test_\w+|test_\w+)", text)
    assert len(named) > 40
    for name in named:
        folder, _, file = name.rpartition("/")
        found = list((ROOT / "tests" / (folder or "integration")).glob(f"{file}.*"))
        assert found, name


def test_architecture_names_every_folder_of_the_source():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for folder in (ROOT / "controller").iterdir():
        assert f"  {folder.name}/" in text, folder.name
