"""The example says what the images hold, and its corpus is the same on every machine."""
import hashlib
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq
import yaml

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "examples" / "clean-text"


def component_file(name):
    return yaml.safe_load((HERE / "components" / name / "fondant_component.yaml").read_text())


def test_inline_components_are_the_component_files():
    pipeline = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())
    steps = {step["name"]: step["component"] for step in pipeline["spec"]["steps"]}
    assert list(steps) == ["load", "filter", "normalize", "write"]
    assert steps["load"]["spec"] == component_file("load_from_parquet")
    assert steps["filter"]["spec"] == component_file("filter_text_length")
    assert steps["write"]["spec"] == component_file("write_to_file")
    custom = yaml.safe_load((EXAMPLE / "component.yaml").read_text())
    assert custom["metadata"]["name"] == steps["normalize"]["ref"]["name"]
    assert custom["spec"] == component_file("normalize_text")


def test_the_corpus_is_always_the_same(tmp_path):
    file = tmp_path / "raw" / "docs.parquet"
    done = subprocess.run([sys.executable, EXAMPLE / "generate.py", file], check=True, text=True,
                          capture_output=True)
    assert done.stdout == f"10000 rows in {file}\n"
    table = pq.read_table(file)
    assert (table.num_rows, table.column_names) == (10000, ["id", "text"])
    text = "\0".join(table["id"].to_pylist() + table["text"].to_pylist())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "c303c88b9fb207dd"
    kept = [t for t in table["text"].to_pylist() if len(t) >= 60 and len(t.split()) >= 10]
    assert len(kept) == 6977
