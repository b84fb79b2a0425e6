import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

SOURCE = Path(__file__).parent.parent / "src"
COMPONENT = """\
name: Load
description: d
image: r/load:1
produces:
  a: {type: string}
args:
  x: {type: float, description: d, default: 0.5}
"""
PIPELINE = """\
    from pathlib import Path
    from fondant.dataset import Dataset
    print("hello from the module")
    C = Path(__file__).parent
    first = Dataset.create(C / "load", dataset_name="first", arguments={"x": 1.5})
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "load").mkdir()
    (tmp_path / "load/fondant_component.yaml").write_text(COMPONENT)

    def run(*args, pipeline=PIPELINE, more=""):
        (tmp_path / "pipeline.py").write_text(textwrap.dedent(pipeline) + textwrap.dedent(more))
        return subprocess.run(
            [sys.executable, "-m", "fondant_operator", *args],
            cwd=tmp_path,
            env={"PYTHONPATH": str(SOURCE), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_stdout_is_yaml_alone(run):
    done = run("export", "pipeline.py", "--namespace", "data", "--working-directory", "s3://b/d")
    assert done.returncode == 0, done.stderr
    (document,) = yaml.safe_load_all(done.stdout)
    assert document["metadata"] == {"name": "first", "namespace": "data"}
    assert document["spec"]["workingDirectory"] == "s3://b/d"
    assert document["spec"]["steps"][0]["arguments"] == {"x": 1.5}
    assert "hello" in done.stderr


def test_to_a_file_with_components_beside(run, tmp_path):
    done = run(
        "export", "pipeline.py:first", "--custom", "ref", "--name", "other", "-o", "out.yaml"
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    component, pipeline = yaml.safe_load_all((tmp_path / "out.yaml").read_text())
    assert component["kind"] == "FondantComponent" and component["spec"]["image"] == "r/load:1"
    assert pipeline["metadata"]["name"] == "other" and pipeline["spec"]["datasetName"] == "first"
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".yaml") == ["out.yaml"]


def test_functions_are_called(run):
    done = run(
        "export",
        "pipeline.py:make('n', x=2)",
        more="""\
        def make(name, x):
            return Dataset.create(C / "load", dataset_name=name, arguments={"x": x})
    """,
    )
    assert yaml.safe_load(done.stdout)["metadata"]["name"] == "n", done.stderr


@pytest.mark.parametrize(
    "args, more, code, said",
    [
        (["nothing.py"], "", 2, "there is no file nothing.py"),
        (["pipeline.py:nothing"], "", 2, "has no nothing"),
        (["pipeline.py:C"], "", 2, "not a dataset"),
        (["pipeline.py:"], "", 2, "nothing behind the colon"),
        (["pipeline.py:a.b"], "", 2, "neither a name nor a call"),
        (
            ["pipeline.py"],
            "other = Dataset.create(C / 'load', dataset_name='o')\n",
            2,
            "holds 2 pipelines (first, other)",
        ),
        (["pipeline.py"], "del first\n", 2, "holds no dataset"),
        (["pipeline.py"], "import not_there\n", 1, "pipeline.py:6: ModuleNotFoundError"),
        (
            ["pipeline.py"],
            "first.apply(C / 'load', consumes={'zz': 3})\n",
            1,
            "pipeline.py:6: InvalidDatasetDefinition",
        ),
        (["pipeline.py", "--namespace", "A_b"], "", 2, "not the name of a namespace"),
        (["pipeline.py", "--name", "A_b"], "", 1, "'A_b' is no name of a pipeline"),
        (["pipeline.py", "-o", "no/such/out.yaml"], "", 2, "cannot write no/such/out.yaml"),
        (
            ["pipeline.py"],
            "first = Dataset.create(C / 'load', dataset_name='o', "
            "arguments={'x': float('nan'), 'y': 2**70})\n",
            1,
            "component 'load', arguments.x: is nan",
        ),
    ],
)
def test_what_is_wrong_is_said(run, args, more, code, said):
    done = run("export", *args, more=more)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_all_problems_come_at_once(run):
    done = run(
        "export",
        "pipeline.py",
        more="first = Dataset.create(C / 'load', dataset_name='', "
        "arguments={'x': float('nan'), 'y': 2**70})\n",
    )
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 4


def test_a_drawn_name_is_warned_about(run):
    more = "first = Dataset.create(C / 'load')\n"
    assert "warning: the dataset has no name" in run("export", "pipeline.py", more=more).stderr
    done = run("export", "pipeline.py", "--name", "mine", more=more)
    assert "warning" not in done.stderr
    assert yaml.safe_load(done.stdout)["spec"]["datasetName"] == "mine"


def test_help_has_examples(run):
    done = run("export", "--help")
    assert done.returncode == 0 and "examples:" in done.stdout and "exit codes:" in done.stdout


def test_the_package_alone_loads_nothing_of_the_framework():
    code = (
        "import sys, fondant_operator, fondant_operator.cli; "
        "sys.exit(any(m.split('.')[0] in ('fondant', 'pyarrow', 'pandas') for m in sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}).returncode
        == 0
    )
