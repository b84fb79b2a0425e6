"""The framework's 74 small definitions, most of them wrong: each has a row in error_cases.py, and
both sides still say what the row says."""

import json
import subprocess
import sys
from pathlib import Path

import ours
import peer  # noqa: F401
import pyarrow as pa
import pytest
from error_cases import BY_HAND, ROWS
from fondant.dataset import Dataset
from fondant.dataset.dataset import Resources

CASES = {
    case["case"]: case
    for case in json.loads((ours.ROOT / "tests/data/differential/errors.json").read_text())
}


@pytest.fixture
def define(tmp_path):
    """(paths of the component files, dataset or exception) of a case."""

    def define(name):
        case = CASES[name]
        folders, files = {}, []
        for key, text in case["specs"].items():
            folder = tmp_path / name / key
            folder.mkdir(parents=True)
            files.append(folder / "fondant_component.yaml")
            files[-1].write_text(text, encoding="utf-8")
            folders[key] = str(folder)
        names = {"c": folders, "Dataset": Dataset, "Resources": Resources, "pa": pa}
        try:
            exec(case["build"], names)
        except Exception as error:  # noqa: BLE001 - whatever the framework raises
            return files, error
        return files, names["dataset"]

    return define


def outcome(function):
    try:
        function()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "ok"


def recorded(entry):
    return "ok" if entry["ok"] else entry["error"]


def found(findings):
    return sorted((f["reason"], f["path"]) for f in ours.errors(findings))


def test_every_case_has_a_row():
    assert list(ROWS) == list(CASES)
    assert set(BY_HAND) == {name for name, row in ROWS.items() if row.stage == "by hand"}


@pytest.mark.parametrize("name", CASES)
def test_the_framework_says_so_still(name, define):
    case = CASES[name]
    _, dataset = define(name)
    failed = isinstance(dataset, Exception)
    assert (type(dataset).__name__ if failed else "ok") == recorded(case["define"])
    if not failed:
        assert outcome(dataset.validate) == recorded(case["validate"])
        assert outcome(lambda: peer.argv(dataset)) == recorded(case["docker"])


@pytest.mark.parametrize("name", CASES)
def test_here(name, define):
    row = ROWS[name]
    files, dataset = define(BY_HAND[name][0] if name in BY_HAND else name)
    if row.stage == "file":
        assert found(ours.validate(*files)) == sorted(row.here)
        return
    if row.stage == "nowhere":
        assert isinstance(dataset, Exception)
        return
    assert not ours.errors(ours.validate(*files)), "the component file is refused already"
    if row.stage == "export":
        with pytest.raises(ours.ExportError) as error:
            ours.export(dataset)
        assert [(p.reason, p.place) for p in error.value.problems] == row.here
        return
    documents = ours.export(dataset)
    if row.stage == "by hand":
        BY_HAND[name][1](documents[-1]["spec"]["steps"])
    assert found(ours.validate(text=ours.to_yaml(documents))) == sorted(row.here)


def test_the_report_is_up_to_date():
    script = Path(__file__).parent / "report"
    subprocess.run([sys.executable, str(script), "--check"], check=True)


def test_messages_say_what_to_do(define):
    """No finding is a bare word, and none has the text of another program's exception."""
    for name, row in ROWS.items():
        if row.stage == "file":
            for finding in ours.errors(ours.validate(*define(name)[0])):
                assert len(finding["message"].split()) >= 3, finding
                assert "Traceback" not in finding["message"]
