"""kubectl fondant on Vertex AI: a server that judges by the vendor's own messages and verifies our
signature by the vendor's library, and the vendor's own client beside us."""
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
import yaml

from kit import ROOT, free_port, probe_step, wait_until

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
PYTHON = ROOT / ".cache/kfp-venv/bin/python"
KEYS = ROOT / "tests/data/keys"


@pytest.fixture(scope="module")
def server():
    subprocess.run([str(ROOT / "tests/deps"), "kfp"], check=True, stdout=sys.stderr)
    port = free_port()
    process = subprocess.Popen([str(PYTHON), "-W", "ignore", str(ROOT / "tests/vertex_server.py"),
                                str(port), str(KEYS / "test-only.pub.pem")])
    url = f"http://127.0.0.1:{port}"

    def answers():
        assert process.poll() is None
        try:
            return urllib.request.urlopen(url + "/test/jobs", timeout=5).read()
        except OSError:
            return False
    try:
        wait_until(answers, 120, lambda: "the server does not answer")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


class Lab:
    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.key = {"type": "service_account", "private_key_id": "k1",
                    "client_email": "loader@my-project.iam.gserviceaccount.com",
                    "private_key": (KEYS / "test-only.pem").read_text(),
                    "token_uri": f"{server}/token"}
        self.file = folder / "lab.yaml"

    def write(self, word="x"):
        steps = [probe_step("load", produces=["a"], arguments={"note": word}),
                 probe_step("write", consumes=["a"])]
        pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                    "metadata": {"name": "lab"}, "spec": {
                        "workingDirectory": "gs://lake/fondant", "steps": steps}}
        backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
                   "metadata": {"name": "default"}, "spec": {"vertex": {
                       "project": "my-project", "location": "europe-west1",
                       "pipelineRoot": "gs://lake/root", "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
                       "auth": {"serviceAccountKey": {"secretKeyRef": {
                           "name": "google", "key": "key.json"}}}}}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "google"},
                  "stringData": {"key.json": json.dumps(self.key)}}
        self.file.write_text(yaml.safe_dump_all([pipeline, backend, secret]))
        return self

    def argv(self, name):
        return [PROGRAM, "run", "-f", str(self.file), "--backend", "vertex", "--endpoint",
                self.server, "--name", name]

    def run(self, name, *more, code=0):
        done = subprocess.run([*self.argv(name), *more], capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    def call(self, command, name, *more):
        return subprocess.run([PROGRAM, command, name, "--backend", "vertex", "--endpoint",
                               self.server, "--filename", str(self.file), *more],
                              capture_output=True, text=True, timeout=60)

    def of(self, name):
        """The id and the body of the run's only job."""
        jobs = json.loads(urllib.request.urlopen(self.server + "/test/jobs", timeout=10).read())
        found = [item for item in jobs.items() if item[1]["displayName"].startswith(f"{name}-")]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def lab(server, tmp_path):
    return Lab(server, tmp_path)


def test_a_run_to_its_end(lab):
    done = lab.write().run("whole")
    assert re.search(r"its page: https://console.cloud.google.com/vertex-ai/locations/europe-west1/"
                     r"pipelines/runs/run-[0-9a-f-]{36}\?project=my-project", done.stdout)
    assert "run whole: Succeeded" in done.stdout
    _, body = lab.of("whole")
    assert body["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"
    assert body["runtimeConfig"]["gcsOutputDirectory"] == "gs://lake/root"
    status = json.loads(lab.call("status", "whole", "-o", "json").stdout)
    assert {s["name"]: s["phase"] for s in status["steps"]} == {
        "load": "Succeeded", "write": "Succeeded"}


def test_a_failure_has_the_backends_words(lab):
    done = lab.write("fail").run("broken", "-o", "json", code=1)
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    steps = {step["name"]: step for step in result["steps"]}
    assert steps["load"]["message"] == "The replica exited with status 1."
    assert steps["write"]["phase"] == "Skipped"


def test_ctrl_c_cancels_it(lab):
    process = subprocess.Popen(lab.write("hang").argv("stop"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    wait_until(lambda: lab.of("stop"), 60, lambda: "not there")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "run stop: Cancelled" in out, out + err


def test_a_killed_command_finds_its_run_again(lab):
    lab.write()
    for _ in range(5):
        process = subprocess.Popen(lab.argv("killed"), stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    assert "run killed: Succeeded" in lab.run("killed").stdout
    assert lab.of("killed")


def test_a_key_that_is_not_taken(lab):
    lab.key["client_email"] = "loader@example"
    done = lab.write().run("denied", code=2)
    assert "Google takes the credentials for no token: Invalid JWT" in done.stderr
    assert not lab.of("denied")


CLIENT = """
import json, sys
from google.oauth2.credentials import Credentials
from google.cloud.aiplatform_v1 import PipelineServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service.transports import (
    PipelineServiceRestTransport)
transport = PipelineServiceRestTransport(host=sys.argv[1].removeprefix("http://"),
                                         url_scheme="http", credentials=Credentials("client"))
client = PipelineServiceClient(transport=transport)
parent = "projects/my-project/locations/europe-west1"
job = client.get_pipeline_job(name=f"{parent}/pipelineJobs/{sys.argv[2]}")
listed = client.list_pipeline_jobs(parent=parent)
print(json.dumps([job.state.name, sorted(t.task_name for t in job.job_detail.task_details),
                  sys.argv[2] in [j.name.split("/")[-1] for j in listed]]))
"""


def test_the_vendors_client_sees_the_job(lab):
    lab.write().run("seen")
    name, _ = lab.of("seen")
    done = subprocess.run([str(PYTHON), "-W", "ignore", "-c", CLIENT, lab.server, name],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        "PIPELINE_STATE_SUCCEEDED", ["load", "the-pipeline", "write"], True]
