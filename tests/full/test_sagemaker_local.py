"""Definitions for SageMaker, executed step by step by the local mode of the vendor's SDK in Docker, with
moto as S3 in the engine's network."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from dockerlab import IMAGES, engine
from kit import ROOT, in_network, moto_server

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
PYTHON = ROOT / ".cache/sagemaker-local-venv/bin/python"
PEER = ROOT / "tests/data/compiler/peer"
SETTINGS = ROOT / "tests/data/native/sagemaker/settings.yaml"
ADDRESS = "10.123.0.1"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
ROLE = "arn:aws:iam::123456789012:role/pipeline"
FRAMEWORK = ["fndnt/load_from_parquet:0.12.1", "fndnt/filter_text_length:0.12.1",
             "fndnt/write_to_file:0.12.1"]

# boto3 with a word and its arguments: the bucket and what is in it.
S3 = """
import boto3, json, sys
s3 = boto3.client("s3")
verb, *args = sys.argv[1:]
if verb == "make":
    s3.create_bucket(Bucket="lake",
                     CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
elif verb == "put":
    for each in json.load(sys.stdin):
        bucket, key = each["uri"].removeprefix("s3://").split("/", 1)
        s3.put_object(Bucket=bucket, Key=key, Body=each["text"].encode())
elif verb == "get":
    for each in s3.list_objects_v2(Bucket="lake", Prefix=args[0]).get("Contents", []):
        s3.download_file("lake", each["Key"], args[1] + "/" + each["Key"].replace("/", "_"))
elif verb == "definition":
    client = boto3.client("sagemaker")
    for pipeline in client.list_pipelines()["PipelineSummaries"]:
        if args[0] in pipeline["PipelineName"]:
            print(client.describe_pipeline(PipelineName=pipeline["PipelineName"])
                  ["PipelineDefinition"])
"""

# Stands in an image for `fondant` and `python3`: says how it was called.
RECORDER = """#!/usr/bin/python3 -I
import json, os, sys
main = open("main.py", "rb").read().decode("latin-1") if os.path.exists("main.py") else None
print(json.dumps({"program": os.path.basename(sys.argv[0]), "main": main, "env": dict(os.environ),
                  "words": [os.fsencode(w).decode("latin-1") for w in sys.argv[1:]]}))
"""


class Lab:
    def __init__(self, docker, url, folder):
        self.docker = docker
        self.url = url
        self.folder = folder

    def env(self):
        return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
                "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "eu-west-1",
                "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
                "DOCKER_HOST": self.docker.host, "TMPDIR": str(self.folder),
                "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}

    def call(self, *argv, code=0, **more):
        """A command in the network of the engine."""
        done = subprocess.run(in_network(self.docker.namespace, *argv), capture_output=True, text=True,
                              env=self.env(), timeout=400, **more)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def s3(self, *args, **more):
        return self.call(PYTHON, "-c", S3, *args, **more).stdout

    def execute(self, definition, code=0):
        file = self.folder / "definition.json"
        file.write_text(json.dumps(definition))
        return self.call(PYTHON, ROOT / "tests/full/sagemaker_local.py", file, f"RoleArn={ROLE}",
                         code=code)

    def pipeline(self, spec, name="lab"):
        file = self.folder / "pipeline.yaml"
        file.write_text(json.dumps({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                                    "metadata": {"name": name}, "spec": spec}, ensure_ascii=False))
        return file

    def compile(self, file, output):
        return self.call(PROGRAM, "compile", "-f", file, "--backend", "sagemaker", "-o", output,
                         "--run", "run-1").stdout

    def logs(self):
        """What each container printed, oldest first."""
        ids = self.docker.docker("ps", "-aq").stdout.split()
        return [self.docker.docker("logs", each).stdout for each in reversed(ids)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An engine, and S3 at an address that its containers reach."""
    subprocess.run([str(ROOT / "tests/deps"), "s3", "sagemaker-local"], check=True)

    def prepare(namespace):
        subprocess.run(["ip", "-n", namespace, "addr", "add", f"{ADDRESS}/32", "dev", "lo"],
                       check=True)

    with engine(None, prepare) as docker:
        for image in FRAMEWORK:
            docker.load(IMAGES / "oci", image)
            docker.docker("tag", image, ECR + image)
        log = tmp_path_factory.mktemp("moto") / "log"
        with moto_server(log, str(ROOT / "tests/sagemaker_server.py"), docker.namespace,
                         ADDRESS) as url:
            lab = Lab(docker, url, tmp_path_factory.mktemp("setup"))
            lab.s3("make")
            yield docker, url


@pytest.fixture
def lab(place, tmp_path):
    docker, url = place
    yield Lab(docker, url, tmp_path)
    ids = docker.docker("ps", "-aq").stdout.split()
    if ids:
        docker.docker("rm", "-f", *ids)


# --- every definition -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def recorder(place):
    """The framework's image with both programs replaced."""
    docker, _ = place
    with tempfile.TemporaryDirectory() as folder:
        for name in ("fondant", "python3"):
            Path(folder, name).write_text(RECORDER)
            Path(folder, name).chmod(0o755)
        container = docker.docker("create", FRAMEWORK[0]).stdout.strip()
        docker.docker("cp", f"{folder}/.", f"{container}:/usr/local/bin")
        docker.docker("commit", container, "recorder.lab/recorder:1")
        docker.docker("rm", container)
    return "recorder.lab/recorder:1"


def golden_spec(name):
    """As the goldens of definitions are made (tests/unit/test_runners_sagemaker.c)."""
    if name == "settings":
        return yaml.safe_load(SETTINGS.read_text())
    spec = yaml.safe_load((PEER / f"{name}.yaml").read_text())
    del spec["podTemplate"]
    spec["workingDirectory"] = "s3://lake/fondant"
    for step in spec["steps"]:
        component = step["component"]["spec"]
        component["image"] = ECR + component["image"].partition("/")[2]
    return spec


def said(logs):
    """By step, what its program was given; and what `python3` was given on the way."""
    calls = [json.loads(line) for log in logs for line in log.splitlines() if line.startswith("{")]
    programs = {}
    for call in calls:
        words = [word.encode("latin-1").decode() for word in call["words"]]
        if call["program"] == "fondant":
            metadata = json.loads(words[words.index("--metadata") + 1])
            programs[metadata["component_id"]] = {**call, "words": words}
    return programs, [call["words"] for call in calls if call["program"] == "python3"]


@pytest.mark.parametrize("name", sorted(p.stem for p in PEER.glob("*.yaml")) + ["settings"])
def test_every_step_gets_its_very_words(lab, recorder, name):
    spec = golden_spec(name)
    file = lab.pipeline(spec)
    native = yaml.safe_load(lab.compile(file, "native"))
    for step in native["definition"]["Steps"]:
        image = step["Arguments"]["AppSpecification"]["ImageUri"].partition("@")[0]
        lab.docker.docker("tag", recorder, image)
    lab.s3("put", input=json.dumps(native["uploads"]))
    lab.execute(native["definition"])
    programs, pip = said(lab.logs())
    wanted = {each["step"]: each["command"][1:] + each["args"]
              for each in map(json.loads, lab.compile(file, "argv").splitlines())}
    assert {step: program["words"] for step, program in programs.items()} == wanted
    for step in spec["steps"]:
        if "python" in step["component"]:
            main = programs[step["name"]]["main"].encode("latin-1").decode()
            assert main == step["component"]["python"]["source"]
    if name == "settings":
        assert any(len(word) > 256 for word in wanted["load"])
        assert any("it's $HOME ${x} `id`" in word for word in wanted["load"])
        assert programs["load"]["env"]["MODE"] == "a 10000 $(x) $HOME"
        assert [words[:3] for words in pip] == [["-m", "pip", "install"]]


# --- a run, to its data ---------------------------------------------------------------------------

NOTE = "it's 'quoted' $HOME ${x} `id` \"q\" \\ \u00e9" + " long" * 100
SOURCE = """
import dask.dataframe as dd
import pandas as pd
from fondant.component import DaskLoadComponent


class Make(DaskLoadComponent):
    def __init__(self, note: str, rows: int):
        texts = [f"{note} {i}" for i in range(rows)] + ["short"]
        index = pd.Index([f"row {i}" for i in range(len(texts))], name="id")
        self.frame = pd.DataFrame({"text": texts}, index=index)

    def load(self):
        return dd.from_pandas(self.frame, npartitions=1)
"""


def real_steps(lab):
    """Of the framework's components, all on S3. Local mode gives them keys, as SageMaker gives those
    of the role."""
    catalog = ROOT / "catalog/0.12.1"
    env = [{"name": name, "value": lab.env()[name]}
           for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED")]
    steps = [
        {"name": "make", "component": {"python": {
            "image": ECR + FRAMEWORK[0], "source": SOURCE, "produces": {"text": {"type": "string"}},
            "args": {"note": {"type": "str"}, "rows": {"type": "int"}}}},
         "arguments": {"note": NOTE, "rows": 5}},
        {"name": "filter", "arguments": {"min_characters_length": 300, "min_words_length": 10}},
        {"name": "write", "arguments": {"path": "s3://lake/out"},
         "consumes": {"text": {"type": "string"}}}]
    for step, image in zip(steps[1:], FRAMEWORK[1:]):
        file = catalog / (image.partition("/")[2].partition(":")[0] + ".yaml")
        step["component"] = {"spec": {**yaml.safe_load(file.read_text()), "image": ECR + image}}
    for step in steps:
        step["env"] = env
    return steps


def test_what_a_run_submitted_makes_its_data(lab):
    """The operator's side is the program itself: it uploads what is too long and creates the
    pipeline; the definition is what the backend then has."""
    backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
               "metadata": {"name": "default"},
               "spec": {"sagemaker": {"region": "eu-west-1", "roleArn": ROLE}}}
    file = lab.pipeline({"workingDirectory": "s3://lake/data", "steps": real_steps(lab)}, "real")
    file.write_text(yaml.safe_dump_all([json.loads(file.read_text()), backend]))
    lab.call(PROGRAM, "run", "-f", file, "--backend", "sagemaker", "--name", "real-1")
    definition = json.loads(lab.s3("definition", "real"))
    [make] = [step for step in definition["Steps"] if step["Name"] == "make"]
    assert make["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"].startswith("s3://lake/")
    assert "quoted" not in json.dumps(definition)
    lab.execute(definition)
    lab.s3("get", "out/", str(lab.folder))
    files = sorted(lab.folder.glob("out_*.parquet"))
    rows = [row["text"] for file in files for row in pq.read_table(file).to_pylist()]
    assert sorted(rows) == [f"{NOTE} {i}" for i in range(5)]


def test_a_failing_step_ends_it(lab):
    steps = real_steps(lab)
    steps[0]["component"]["python"]["source"] = SOURCE.replace(
        "return dd", "raise RuntimeError('broken on purpose')\n        return dd")
    native = yaml.safe_load(lab.compile(lab.pipeline(
        {"workingDirectory": "s3://lake/data", "steps": steps}, "broken"), "native"))
    lab.s3("put", input=json.dumps(native["uploads"]))
    assert "step make: Failed to run" in lab.execute(native["definition"], code=1).stderr
    [log] = lab.logs()
    assert "broken on purpose" in log
