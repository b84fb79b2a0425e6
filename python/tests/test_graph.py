"""What the framework's graph loses is an error, never another pipeline."""

import json

import pandas as pd
import pyarrow as pa
import pytest
from fondant.component import PandasTransformComponent
from fondant.core.component_spec import ComponentSpec
from fondant.dataset import Dataset, lightweight_component
from fondant_operator import ExportError, export
from fondant_operator.graph import base_of


def component(tmp_path, name, consumes, produces):
    spec = {"name": name, "image": "r/c:1", "description": "d"}
    spec |= {"consumes": consumes} if consumes else {}
    spec |= {"produces": produces} if produces else {}
    folder = tmp_path / name
    folder.mkdir()
    ComponentSpec(**spec).to_file(folder / "fondant_component.yaml")
    return folder


@pytest.fixture
def made(tmp_path):
    text = {"type": "string"}
    load = component(tmp_path, "load", None, {"a": text})
    take = component(tmp_path, "take", {"a": text}, {"b": text})
    return Dataset.create(load, dataset_name="t"), take


def problems(dataset):
    with pytest.raises(ExportError) as error:
        export(dataset)
    return [(problem.component, problem.reason) for problem in error.value.problems]


def test_a_component_twice_in_a_row(made):
    root, take = made
    assert problems(root.apply(take).apply(take)) == [("take", "ComponentTwice")]


def test_a_component_twice_with_the_first_use_lost(made, tmp_path):
    root, take = made
    other = component(tmp_path, "other", {"b": {"type": "string"}}, None)
    first = root.apply(take)
    root.apply(take)
    assert problems(first.apply(other)) == [("other", "UnknownInput")]


def test_a_manifest_that_does_not_say_where_it_is(made, tmp_path):
    _, take = made
    path = tmp_path / "manifest.json"
    field = {"type": "string", "location": "/x"}
    metadata = {"dataset_name": "t", "run_id": "r", "manifest_location": None}
    path.write_text(json.dumps({"metadata": metadata, "index": {}, "fields": {"a": field}}))
    assert problems(Dataset.read(str(path)).apply(take)) == [("take", "UnknownInput")]


def test_a_loader_in_the_middle(made, tmp_path):
    root, _ = made
    late = component(tmp_path, "late", None, {"c": {"type": "string"}})
    assert problems(root.apply(late)) == [("late", "AppliedLoader")]


def test_a_writer_is_passed_by(made):
    root, take = made
    written = root.write("write_to_file", arguments={"path": "/x"})
    (document,) = export(written.apply(take))
    assert [step.get("from") for step in document["spec"]["steps"]] == [None, ["load"], ["load"]]


def test_a_python_component_that_consumes_nothing_still_reads(made):
    @lightweight_component(base_image="r/p:1", consumes={}, produces={"n": pa.int32()})
    class Count(PandasTransformComponent):
        def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
            return dataframe

    (document,) = export(made[0].apply(Count))
    python = document["spec"]["steps"][1]["component"]["python"]
    assert python["consumes"] == {"additionalProperties": False}


def test_the_base_is_found_by_its_name():
    script = "import fondant\nclass X(Helper, fondant.component.DaskWriteComponent):\n    pass\n"
    assert base_of(script) == "DaskWriteComponent"
    assert base_of("class X(Other): pass") is None and base_of("class") is None
