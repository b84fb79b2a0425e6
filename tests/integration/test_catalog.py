"""The catalogue and Python steps against the framework itself, as PyPI has it: the same component
files but for their prose, and `fondant execute main` runs what our Jobs start."""

import difflib
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VERSION = "0.12.1"
OURS = {path.stem: path for path in (ROOT / "catalog" / VERSION).glob("*.yaml")}
PROGRAM = pathlib.Path(os.environ.get("FONDANT_BUILD", ROOT / "build")) / "kubectl-fondant"

DUMP = """
import importlib.util, json, pathlib, yaml
home = pathlib.Path(importlib.util.find_spec("fondant").origin).parent
files = home.glob("components/*/fondant_component.yaml")
print(json.dumps({f.parent.name: yaml.safe_load(f.read_text(encoding="utf-8")) for f in files}))
"""

# What the framework makes of a component file: its names, types and defaults.
DESCRIBE = """
import json, pathlib, sys
from fondant.core.component_spec import ComponentSpec
out = {}
for name in sys.argv[1:]:
    spec = ComponentSpec.from_file(name)
    out[pathlib.Path(name).stem] = {
        "consumes": {k: str(v) for k, v in spec.consumes.items()},
        "produces": {k: str(v) for k, v in spec.produces.items()},
        "generic": [spec.is_generic("consumes"), spec.is_generic("produces")],
        "args": {k: [v.type.__name__, v.default, v.optional] for k, v in spec.args.items()},
        "index": spec.previous_index, "image": spec.image, "tags": spec.tags}
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def framework():
    """The python of the environment that the framework is installed in."""
    subprocess.run([ROOT / "tests/deps", "framework"], check=True, stdout=sys.stderr, timeout=900)
    return ROOT / ".cache/framework-venv/bin/python"


@pytest.fixture(scope="module")
def theirs(framework):
    done = subprocess.run([framework, "-c", DUMP], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def prose(component):
    """Path -> description, white space as one blank."""
    texts = {"description": component["description"]}
    texts |= {f"args.{name}": arg["description"] for name, arg in component.get("args", {}).items()}
    return {path: " ".join(text.split()) for path, text in texts.items()}


def without_prose(component):
    args = {name: {key: value for key, value in arg.items() if key != "description"}
            for name, arg in component.get("args", {}).items()}
    return {key: value for key, value in component.items() if key != "description"} | {"args": args}


def test_same_components(theirs):
    assert len(theirs) == 27
    assert OURS.keys() == theirs.keys()


@pytest.mark.parametrize("name", sorted(OURS))
def test_same_but_for_prose(theirs, name):
    ours = yaml.safe_load(OURS[name].read_text())
    assert without_prose(ours) == without_prose(theirs[name])
    assert ours["image"] == f"fndnt/{name}:{VERSION}"
    mine, other = prose(ours), prose(theirs[name])
    assert mine.keys() == other.keys()
    for path, text in mine.items():
        likeness = difflib.SequenceMatcher(None, text.lower(), other[path].lower()).ratio()
        assert text and likeness < 0.7, f"{path}: {text}"


def test_the_framework_reads_ours(framework, theirs, tmp_path):
    """As the framework understands both: types as objects of pyarrow, arguments as of argparse."""
    for name, component in theirs.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(component, sort_keys=False))
    read = []
    for paths in (OURS.values(), tmp_path.glob("*.yaml")):
        done = subprocess.run([framework, "-c", DESCRIBE, *map(str, paths)], check=True,
                              capture_output=True, text=True)
        read.append(json.loads(done.stdout))
    assert len(read[0]) == 27
    assert read[0] == read[1]
    assert read[0]["crop_images"]["args"]["cropping_threshold"] == ["int", -30, False]


# --- Python steps ---

MAKE = '''\
"""It's "quoted", 100% \\n and\tméthode."""
import dask
import dask.dataframe as dd
import pandas as pd
from dask.distributed import Client
from fondant.component import DaskLoadComponent


class Make(DaskLoadComponent):
    def __init__(self, rows, prefix, **kwargs):
        self.rows, self.prefix = rows, prefix

    def setup(self):
        dask.config.set({"dataframe.convert-string": False})
        return Client(processes=False, n_workers=1, dashboard_address=None)

    def load(self):
        words = [f"{self.prefix} 100%\\n{i}" for i in range(self.rows)]
        df = pd.DataFrame({"word": words}, index=[str(i) for i in range(self.rows)])
        return dd.from_pandas(df, npartitions=2)
'''

COUNT = '''\
import dask
import pandas as pd
from dask.distributed import Client
from fondant.component import *


class Count(PandasTransformComponent):
    def __init__(self, options: dict, names: list, factor: float, twice: bool, never: bool):
        assert options == {"a": "b's $HOME"} and names == ["n", 1], (options, names)
        assert factor == 0.5 and twice and not never, (factor, twice, never)

    def setup(self):
        dask.config.set({"dataframe.convert-string": False})
        return Client(processes=False, n_workers=1, dashboard_address=None)

    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        dataframe["length"] = dataframe["word"].str.len().astype("int32")
        return dataframe[["length"]]
'''

WRITE = '''\
import dask
from dask.distributed import Client
from fondant.component import DaskWriteComponent


class Write(DaskWriteComponent):
    def __init__(self, path):
        self.path = path

    def setup(self):
        dask.config.set({"dataframe.convert-string": False})
        return Client(processes=False, n_workers=1, dashboard_address=None)

    def write(self, dataframe):
        dataframe.compute().sort_values("word").to_json(self.path, orient="records")
'''


def python_step(name, source, **more):
    declared = {key: more.pop(key) for key in ("consumes", "produces", "args") if key in more}
    return {"name": name, **more, "component": {
        "python": {"image": "fndnt/fondant:0.12.1-py3.11", "source": source, **declared}}}


def pipeline(folder, steps):
    return {
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
        "metadata": {"name": "python-steps", "namespace": "data"},
        "spec": {
            "workingDirectory": str(folder),
            "podTemplate": {"spec": {
                "volumes": [{"name": "data", "hostPath": {"path": str(folder)}}],
                "containers": [{"name": "main", "volumeMounts": [
                    {"name": "data", "mountPath": str(folder)}]}]}},
            "steps": steps}}


def compiled(path, form):
    done = subprocess.run([PROGRAM, "compile", "-f", path, "--backend", "kubernetes", "-o", form],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_job(job, spec, folder, framework):
    """Runs container `main` of a Job here: its command and arguments as the kubelet reads them."""
    main = job["spec"]["template"]["spec"]["containers"][0]
    step = job["metadata"]["labels"]["fondant.ai/step"]
    words = [word.replace("$$", "$") for word in main["command"] + main["args"]]
    words = [word.replace("/fondant/spec/", f"{spec}/") if "import json" in word else word
             for word in words]
    work = folder / f"work-{step}"
    work.mkdir()
    path = f"{framework.parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path} | {e["name"]: e["value"] for e in main["env"]}
    done = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
    return work / "main.py"


def test_the_framework_runs_python_steps(framework, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    result = data / "result.json"
    steps = [
        python_step("make", MAKE, produces={"word": {"type": "string"}},
                    arguments={"rows": 10, "prefix": "it's"}),
        python_step("count", COUNT, consumes={"word": {"type": "string"}},
                    produces={"length": {"type": "int32"}},
                    args={"options": {"type": "dict"}, "names": {"type": "list"},
                          "factor": {"type": "float"}, "twice": {"type": "bool"},
                          "never": {"type": "bool"}},
                    arguments={"options": {"a": "b's $HOME"}, "names": ["n", 1], "factor": 0.5,
                               "twice": True, "never": False}),
        python_step("write", WRITE, arguments={"path": str(result)}),
    ]
    path = tmp_path / "pipeline.yaml"
    path.write_text(json.dumps(pipeline(data, steps)))
    spec = tmp_path / "spec"
    spec.mkdir()
    (spec / "spec.json").write_text(compiled(path, "json"))
    jobs = yaml.safe_load(compiled(path, "native"))["items"]

    for job, step in zip(jobs, steps, strict=True):
        main = run_job(job, spec, tmp_path, framework)
        assert main.read_bytes() == step["component"]["python"]["source"].encode()

    rows = json.loads(result.read_text())
    assert len(rows) == 10
    assert rows[3] == {"word": "it's 100%\n3", "length": 11}
    manifest = json.loads(next(data.glob("*/*/count/manifest.json")).read_text())
    assert manifest["fields"].keys() == {"word", "length"}
    assert manifest["metadata"]["component_id"] == "count"
    assert re.fullmatch(r"python-steps-[0-9a-f]{12}", manifest["metadata"]["run_id"])
