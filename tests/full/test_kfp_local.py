"""Documents for Kubeflow Pipelines, executed by kfp's own local runner in Docker: it reads the IR as the
backend does, and its containers are the framework's components."""
import json
import os
import subprocess

import pyarrow.parquet as pq
import pytest
import yaml

from dockerlab import IMAGES, engine
from kit import PROBE, ROOT, probe_step

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
PYTHON = ROOT / ".cache/kfp-local-venv/bin/python"
EXAMPLE = ROOT / "examples/clean-text"
PEER = ROOT / "tests/data/compiler/peer"
FRAMEWORK = ["fndnt/load_from_parquet:0.12.1", "fndnt/filter_text_length:0.12.1",
             "registry.example/clean-text/normalize_text:1.0.0", "fndnt/write_to_file:0.12.1"]


@pytest.fixture(scope="module")
def docker():
    subprocess.run([str(ROOT / "tests/deps"), "kfp-local"], check=True)
    with engine() as found:
        found.load(IMAGES / "oci-probe", PROBE)
        yield found


class Lab:
    """A folder that every container sees where it is."""

    def __init__(self, docker, folder):
        self.docker = docker
        self.folder = folder

    def on_a_volume(self, spec):
        """Its working directory is a folder of ours, mounted as a volume of the cluster would be."""
        spec["workingDirectory"] = str(self.folder / "artifacts")
        spec["podTemplate"] = {"spec": {
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            "containers": [{"name": "main", "volumeMounts": [
                {"name": "data", "mountPath": str(self.folder)}]}]}}
        return spec

    def compile(self, spec, *documents):
        pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                    "metadata": {"name": "lab"}, "spec": self.on_a_volume(spec)}
        file = self.folder / "pipeline.yaml"
        file.write_text(yaml.safe_dump_all([pipeline, *documents]))
        done = subprocess.run([PROGRAM, "compile", "-f", str(file), "--backend", "kubeflow", "-o",
                               "native", "--run", "run-1"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        document = self.folder / "kubeflow.yaml"
        document.write_text(done.stdout)
        return document

    def run(self, document, code=0):
        """What the runner and its containers printed."""
        done = subprocess.run(
            [str(PYTHON), str(ROOT / "tests/full/kfp_local.py"), str(self.folder), str(document)],
            capture_output=True, text=True, timeout=300,
            env={**os.environ, "DOCKER_HOST": self.docker.host})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def lab(docker, tmp_path):
    return Lab(docker, tmp_path)


def test_the_example_runs_to_its_result(lab):
    for image in FRAMEWORK:
        lab.docker.load(IMAGES / "oci", image)
    corpus = lab.folder / "docs.parquet"
    subprocess.run([str(ROOT / ".cache/venv/bin/python"), str(EXAMPLE / "generate.py"), str(corpus),
                    "2000"], check=True)
    spec = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())["spec"]
    spec["steps"][0]["arguments"]["dataset_uri"] = str(corpus)
    spec["steps"][-1]["arguments"]["path"] = str(lab.folder / "out")
    component = yaml.safe_load((EXAMPLE / "component.yaml").read_text())
    lab.run(lab.compile(spec, component))
    rows = pq.read_table(lab.folder / "out").to_pylist()
    assert 0 < len(rows) < 2000
    assert all(row["text"] == row["text"].lower() and row["n_words"] >= 10 for row in rows)


NOTE = "it's {{x}} {{$.inputs}} $(y) $HOME 'q' \"\u00e9\\n `id`" + " long" * 100
SOURCE = """
import dask.dataframe as dd
import pandas as pd
from fondant.component import DaskLoadComponent


class Make(DaskLoadComponent):
    def __init__(self, note: str, numbers: dict):
        self.row = {"note": [note], "sum": [sum(numbers["all"])]}

    def load(self):
        return dd.from_pandas(pd.DataFrame(self.row), npartitions=1)
"""


def test_a_python_step_gets_its_very_words(lab):
    lab.docker.load(IMAGES / "oci", FRAMEWORK[0])
    lab.run(lab.compile({"steps": [{
        "name": "make",
        "component": {"python": {
            "image": FRAMEWORK[0], "source": SOURCE,
            "produces": {"note": {"type": "string"}, "sum": {"type": "int64"}},
            "args": {"note": {"type": "str"}, "numbers": {"type": "dict"}}}},
        "arguments": {"note": NOTE.replace("$(", "$$("), "numbers": {"all": [1, 2, 3]}}}]}))
    [folder] = lab.folder.glob("artifacts/*/run-1/make")
    [row] = pq.ParquetDataset(sorted(folder.glob("*.parquet"))).read().to_pylist()
    assert row["note"] == NOTE and row["sum"] == 6


def on_the_probe(docker, spec):
    """Its steps with the probe, which holds its caller strictly to the contract."""
    for step in spec["steps"]:
        docker.docker("tag", PROBE, step["component"]["spec"]["image"])
    return spec


@pytest.mark.parametrize("name", sorted(p.stem for p in PEER.glob("*.yaml")))
def test_every_golden_pipeline_runs(lab, name):
    spec = on_the_probe(lab.docker, yaml.safe_load((PEER / f"{name}.yaml").read_text()))
    document = lab.compile(spec)
    lab.run(document)
    tasks = yaml.safe_load(document.read_text().split("---\n")[0])["root"]["dag"]["tasks"]
    assert sorted(tasks) == sorted(step["name"] for step in spec["steps"])
    for step in spec["steps"]:
        if "Data writing" not in step["component"]["spec"].get("tags", []):
            [manifest] = lab.folder.glob(f"artifacts/*/run-1/{step['name']}/manifest.json")
            assert json.loads(manifest.read_text())["metadata"]["component_id"] == step["name"]


def test_a_failing_step_fails_the_pipeline(lab):
    document = lab.compile({"steps": [
        probe_step("a", produces=["a"], arguments={"fail": 3}), probe_step("b", consumes=["a"])]})
    assert "Inner task failed" in lab.run(document, code=1)
    assert not list(lab.folder.glob("artifacts/*/run-1/b"))
