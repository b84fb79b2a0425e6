import math
from pathlib import Path

import pytest
from fondant_operator.arguments import NotJSON, copy_json, to_json
from fondant_operator.names import is_label, step_names, to_label


def test_values_are_copies():
    value = {"a": [1, {"b": (1, 2)}], 3: None, True: 1.5}
    copy = to_json(value, "dict")
    assert copy == {"a": [1, {"b": [1, 2]}], "3": None, "true": 1.5}
    copy["a"].append(2)
    assert value["a"] == [1, {"b": (1, 2)}]


def test_references_of_the_operator_are_escaped():
    assert to_json("$(run.name) $$(x $y", "str") == "$$(run.name) $$$(x $y"
    assert copy_json("$(run.name)") == "$(run.name)"


@pytest.mark.parametrize(
    "value, declared, said",
    [
        (math.nan, "float", "nan"),
        (2**63, "int", "64 bits"),
        ((1, 2), "str", "tuple"),
        ({1}, "list", "no order"),
        (Path("/a"), "str", "no type of JSON"),
        ("\ud800", "str", "surrogate"),
        ("a\0b", "str", "NUL"),
        ({"$(run.name)": 1}, "dict", "reference"),
        ({(1, 2): 3}, "dict", "no string"),
    ],
)
def test_what_cannot_be_carried(value, declared, said):
    with pytest.raises(NotJSON, match=said):
        to_json(value, declared)


def test_the_path_is_said():
    with pytest.raises(NotJSON) as error:
        to_json({"a": [0, {"b": math.inf}]}, "dict")
    assert error.value.path == ".a[1].b"


def test_step_names_are_labels_and_unique():
    ids = ["load_rows", "load-rows", "größe_大", "大", "x" * 70, "x" * 63, "-"]
    names = step_names(ids)
    assert list(names) == ids
    assert len(set(names.values())) == len(ids)
    assert all(map(is_label, names.values()))
    assert names["load_rows"] == "load-rows" and names["load-rows"] == "load-rows-2"
    assert to_label("A__b!") == "a-b"
