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

    def write(self, word="x", auth=None, **settings):
        auth = auth or {"serviceAccountKey": {"secretKeyRef": {"name": "google", "key": "key.json"}}}
        steps = [probe_step("load", produces=["a"], arguments={"note": word}),
                 probe_step("write", consumes=["a"])]
        pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                    "metadata": {"name": "lab"}, "spec": {
                        "workingDirectory": "gs://lake/fondant", "steps": steps}}
        backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
                   "metadata": {"name": "default"}, "spec": {"vertex": {
                       "project": "my-project", "location": "europe-west1",
                       "pipelineRoot": "gs://lake/root", "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
                       **({} if auth == "ambient" else {"auth": auth}), **settings}}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "google"},
                  "stringData": {"key.json": json.dumps(self.key)}}
        self.file.write_text(yaml.safe_dump_all([pipeline, backend, secret]))
        return self

    def argv(self, name):
        return [PROGRAM, "run", "-f", str(self.file), "--backend", "vertex", "--endpoint",
                self.server, "--name", name]

    def run(self, name, *more, code=0, env=None):
        done = subprocess.run([*self.argv(name), *more], capture_output=True, text=True, timeout=120,
                              env={**os.environ, **(env or {})})
        assert done.returncode == code, done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    def call(self, command, name, *more):
        return subprocess.run([PROGRAM, command, name, "--backend", "vertex", "--endpoint",
                               self.server, "--filename", str(self.file), *more],
                              capture_output=True, text=True, timeout=60)

    def tell(self, what):
        return json.loads(urllib.request.urlopen(f"{self.server}/test/{what}", timeout=10).read())

    def of(self, name):
        """The id and the body of the run's only job."""
        jobs = self.tell("jobs")
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
    assert re.fullmatch(
        r"projects/my-project/locations/europe-west1/customJobs/(\d+) has failed.; customJobs/\1: The "
        r"replica workerpool0-0 exited with a non-zero status of 1.", steps["load"]["message"])
    assert steps["write"]["phase"] == "Skipped"


def test_what_the_backend_adds(lab):
    key = "projects/my-project/locations/europe-west1/keyRings/r/cryptoKeys/k"
    lab.write(network="projects/12/global/networks/n", reservedIpRanges=["vertex-range"],
              encryptionKey=key, labels={"team": "data"}).run("settings")
    _, body = lab.of("settings")
    assert body["network"] == "projects/12/global/networks/n"
    assert body["reservedIpRanges"] == ["vertex-range"]
    assert body["encryptionSpec"] == {"kmsKeyName": key}
    assert body["labels"]["team"] == "data" and body["labels"]["fondant-pipeline"] == "lab"


def test_what_the_backend_would_refuse_late(lab):
    done = lab.write(labels={"Team": "data"}, network="default").run("refused", code=1)
    assert "vertex.labels.Team" in done.stderr and "vertex.network" in done.stderr
    assert not lab.of("refused")


def test_a_quota_is_waited_for(lab):
    done = lab.write("quota").run("waits")
    assert "waits for quota: Quota exceeded" in done.stdout + done.stderr
    assert "run waits: Succeeded" in done.stdout


def test_where_logs_are(lab):
    lab.write().run("logged")
    name, _ = lab.of("logged")
    said = lab.call("logs", "logged", "load").stdout
    assert f"pipelines/runs/{name}?project=my-project" in said
    assert re.search(r"""\ngcloud logging read 'resource.type="ml_job" AND """
                     r"""resource.labels.job_id="\d+"' --project my-project --order asc """, said)
    every = lab.call("logs", "logged").stdout
    assert every.count("gcloud logging read") == 2 and "==> write <==" in every
    missing = lab.call("logs", "never", "load")
    assert missing.returncode == 1 and "no such run" in missing.stderr


def test_ctrl_c_cancels_it(lab, popen):
    process = popen(lab.write("hang").argv("stop"), stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    wait_until(lambda: lab.of("stop"), 60, lambda: "not there")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "run stop: Cancelled" in out, out + err


def test_a_killed_command_finds_its_run_again(lab, popen):
    lab.write()
    for _ in range(5):
        process = popen(lab.argv("killed"), stdout=subprocess.PIPE,
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


SA = "{}@my-project.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
SUBJECT = """
import sys, time
from google.auth import crypt, jwt
signer = crypt.RSASigner.from_string(open(sys.argv[1]).read(), "k1")
now = int(time.time())
print(jwt.encode(signer, {"iss": "https://issuer.example", "sub": "robot", "aud": sys.argv[2],
                          "iat": now, "exp": now + 600}).decode())
"""
# what Google's own library asks with the same file
LIBRARY = """
import sys
from google.auth.identity_pool import Credentials
from google.auth.transport.requests import Request
credentials = Credentials.from_file(
    sys.argv[1], scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request())
assert credentials.token.startswith("token-")
"""


def python(code, *args):
    done = subprocess.run([str(PYTHON), "-W", "ignore", "-c", code, *map(str, args)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def external(lab, account="first"):
    """$GOOGLE_APPLICATION_CREDENTIALS, as `gcloud iam workload-identity-pools
    create-cred-config` writes it."""
    subject, file = lab.folder / "subject.jwt", lab.folder / "external.json"
    subject.write_text(python(SUBJECT, KEYS / "test-only.pem", POOL))
    file.write_text(json.dumps({
        "type": "external_account", "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{lab.server}/sts", "credential_source": {"file": str(subject)},
        **({"service_account_impersonation_url": f"{lab.server}/v1/projects/-/serviceAccounts/"
            f"{SA.format(account)}:generateAccessToken"} if account else {})}))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}


def test_workload_identity_federation(lab):
    env = external(lab)
    before = len(lab.tell("tokens"))
    assert "run federated: Succeeded" in lab.write(auth="ambient").run("federated", env=env).stdout
    ours = lab.tell("tokens")[before:]
    assert [path for path, _ in ours] == ["/sts", SA.format("first")]
    assert ours[1][1]["whose"] == "pool:robot"
    python(LIBRARY, env["GOOGLE_APPLICATION_CREDENTIALS"])
    theirs = lab.tell("tokens")[before + 2:]
    assert [path for path, _ in theirs] == ["/sts", SA.format("first")]
    assert {**theirs[0][1], "scope": ours[0][1]["scope"]} == ours[0][1]
    assert {**theirs[1][1], "delegates": []} == ours[1][1]


def test_another_service_account_on_top(lab):
    env = external(lab)
    before = len(lab.tell("tokens"))
    lab.write(auth={"impersonate": {"serviceAccount": SA.format("second"),
                                    "delegates": [SA.format("between")]}}).run("hopped", env=env)
    asked = lab.tell("tokens")[before:]
    assert [path for path, _ in asked] == ["/sts", SA.format("first"), SA.format("second")]
    assert asked[2][1]["whose"] == SA.format("first")
    assert asked[2][1]["delegates"] == [f"projects/-/serviceAccounts/{SA.format('between')}"]


def test_an_account_by_a_key(lab):
    key = {"serviceAccountKey": {"secretKeyRef": {"name": "google", "key": "key.json"}}}
    before = len(lab.tell("tokens"))
    lab.write(auth={**key, "impersonate": {"serviceAccount": SA.format("second")}}).run("keyed")
    assert lab.tell("tokens")[before + 1][1]["whose"] == SA.format("loader")
    done = lab.write(auth={**key, "impersonate": {"serviceAccount": SA.format("closed")}}).run(
        "closed", code=2)
    assert "cannot be impersonated: Permission 'iam.serviceAccounts.getAccessToken' denied" in done.stderr
    assert "roles/iam.serviceAccountTokenCreator" in done.stderr
    assert not lab.of("closed")


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
