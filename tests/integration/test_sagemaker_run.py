"""kubectl fondant on SageMaker: moto with what it lacks (tests/sagemaker_server.py), its check of
signatures on, requests judged by the vendor's service model, and the vendor's client beside us."""
import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
import yaml

from kit import ROOT, moto_server, probe_step, wait_until
from sagemakerlab import IMAGE, LOOK, PUT, ROLE, SETUP

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
PYTHON = ROOT / ".cache/s3-venv/bin/python"


class Server:
    def __init__(self, url, keys):
        self.url = url
        self.keys = keys

    def env(self, user="operator", **more):
        return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
                "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "eu-west-1",
                "AWS_EC2_METADATA_DISABLED": "true", **self.keys.get(user, {}), **more}

    def executions(self):
        """Of every pipeline, as the vendor's client sees them."""
        done = subprocess.run([str(PYTHON), "-c", LOOK, self.url], capture_output=True, text=True,
                              timeout=60, env=self.env("admin"))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def serving(folder, **environment):
    return moto_server(folder / "log", str(ROOT / "tests/sagemaker_server.py"),
                       INITIAL_NO_AUTH_ACTION_COUNT="9999", **environment)


def prepared(url):
    made = subprocess.run([str(PYTHON), "-c", SETUP, url], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    urllib.request.urlopen(urllib.request.Request(
        url + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})).read()
    return Server(url, json.loads(made.stdout))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "s3"], check=True, stdout=sys.stderr)
    with serving(tmp_path_factory.mktemp("sagemaker"), THROTTLE="1") as url:
        yield prepared(url)


class Lab:
    def __init__(self, server, folder):
        self.server = server
        self.folder = folder

    def steps(self, word):
        steps = [probe_step("load", produces=["a"], arguments={"note": word}),
                 probe_step("write", consumes=["a"])]
        for step in steps:
            step["component"]["spec"]["image"] = IMAGE
        # its arguments go by S3, where the server does not look
        steps[0]["env"] = [{"name": "WORD", "value": word[:200]}]
        return steps

    def write(self, name="lab", word="x", auth=None, **spec):
        pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                    "metadata": {"name": name}, "spec": spec or {
                        "workingDirectory": "s3://lake/fondant", "steps": self.steps(word)}}
        backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
                   "metadata": {"name": "default"}, "spec": {"sagemaker": {
                       "region": "eu-west-1", "roleArn": ROLE, **({"auth": auth} if auth else {})}}}
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all([pipeline, backend]))
        return str(file)

    def argv(self, file, name):
        return [PROGRAM, "run", "-f", file, "--backend", "sagemaker", "--name", name]

    def run(self, file, name, *more, code=0, user="operator", **env):
        done = subprocess.run([*self.argv(file, name), *more], capture_output=True, text=True,
                              env=self.server.env(user, **env), timeout=180)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def call(self, *argv):
        return subprocess.run([PROGRAM, *argv, "--backend", "sagemaker",
                               "--filename", self.write("settings")], capture_output=True, text=True,
                              env=self.server.env(), timeout=60)

    def printed(self, job, *lines):
        done = subprocess.run([str(PYTHON), "-c", PUT, self.server.url, job, *lines], timeout=60,
                              capture_output=True, text=True, env=self.server.env("admin"))
        assert done.returncode == 0, done.stderr

    def of(self, pipeline):
        return [e for e in self.server.executions() if f"-{pipeline}-" in e["pipeline"]]


@pytest.fixture
def lab(server, tmp_path):
    return Lab(server, tmp_path)


def test_a_run_to_its_end(lab):
    """With an argument too long for SageMaker, which goes by S3; each first call is throttled."""
    done = lab.run(lab.write("whole", "long " * 80), "whole-1", "-o", "json")
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    assert result["phase"] == "Succeeded"
    assert {s["name"]: s["phase"] for s in result["steps"]} == {
        "load": "Succeeded", "write": "Succeeded"}
    [execution] = lab.of("whole")
    assert execution["status"] == "Succeeded" and execution["name"].startswith("run-")
    assert execution["parameters"] == [{"Name": "RoleArn", "Value": ROLE}]
    [load] = [s for s in execution["definition"]["Steps"] if s["Name"] == "load"]
    assert load["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"].startswith("s3://lake/")
    keys = lab.server.keys["operator"].values()
    assert not any(key in done.stdout + done.stderr for key in keys)
    asked = lab.call("status", "whole-1", "-o", "json")
    assert asked.returncode == 0, asked.stderr
    status = json.loads(asked.stdout)
    assert status["phase"] == "Succeeded" and len(status["steps"]) == 2


def test_each_run_has_its_own_document(lab, popen):
    """The pipeline's second run updates it; two commands at once have one execution each."""
    lab.run(lab.write("twice", "one"), "twice-1")
    files = [lab.write("twice", "two"), lab.write("twice", "three")]
    (lab.folder / "two.yaml").write_text((lab.folder / "twice.yaml").read_text().replace("three", "two"))
    files[0] = str(lab.folder / "two.yaml")
    processes = [popen(lab.argv(file, f"twice-{i}"), stdout=subprocess.PIPE, text=True,
                       stderr=subprocess.STDOUT, env=lab.server.env())
                 for i, file in enumerate(files, 2)]
    for process in processes:
        out, _ = process.communicate(timeout=180)
        # one may find that the other was faster, and says so
        assert process.returncode == 0 or "start a new run" in out, out
    words = [e["definition"]["Steps"][0]["Arguments"]["Environment"]["WORD"]
             for e in lab.of("twice") if e["status"] == "Succeeded"]
    assert "one" in words and len(words) == len(set(words)) >= 2


def test_a_failure(lab):
    done = lab.run(lab.write("broken", "fail"), "broken-1", "-o", "json", code=1)
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    steps = {step["name"]: step for step in result["steps"]}
    assert steps["load"]["phase"] == "Failed" and steps["load"]["exitCode"] == 1
    assert "AlgorithmError" in steps["load"]["message"]
    assert steps["write"]["phase"] == "Skipped"


def test_ctrl_c_stops_it(lab, popen):
    process = popen(lab.argv(lab.write("stop", "hang"), "stop-1"), text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=lab.server.env())
    wait_until(lambda: lab.of("stop"), 60, lambda: "it does not start")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "run stop-1: Cancelled" in out, out + err
    assert [e["status"] for e in lab.of("stop")] == ["Stopped"]


def test_a_killed_command_finds_its_run_again(lab, popen):
    file = lab.write("killed")
    for _ in range(5):
        process = popen(lab.argv(file, "killed-1"), stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, env=lab.server.env())
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    assert "run killed-1: Succeeded" in lab.run(file, "killed-1").stdout
    assert len(lab.of("killed")) == 1


def test_cancel_by_name(lab, popen):
    process = popen(lab.argv(lab.write("other", "hang"), "other-1"),
                    stdout=subprocess.PIPE, text=True, env=lab.server.env())
    wait_until(lambda: lab.of("other"), 60, lambda: "it does not start")
    cancelled = lab.call("cancel", "other-1")
    assert cancelled.returncode == 0, cancelled.stderr
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1 and "Cancelled" in out
    nobody = lab.call("status", "nobody")
    assert nobody.returncode == 1 and "has no run nobody" in nobody.stderr


def job_of(lab, run, step):
    """As the status tells it."""
    def named():
        asked = lab.call("status", run, "-o", "json")
        found = [s for s in json.loads(asked.stdout or "{}").get("steps", []) if s["name"] == step]
        return found and found[0].get("external", {}).get("name")
    return wait_until(named, 60, lambda: f"step {step} has no job")


def test_logs(lab, popen):
    """CloudWatch's, which another command reads: all, the last, and to the end of the step."""
    process = popen(lab.argv(lab.write("logged", "hang"), "logged-1"), text=True,
                    stdout=subprocess.PIPE, env=lab.server.env())
    job = job_of(lab, "logged-1", "load")
    early = lab.call("logs", "logged-1", "load")
    assert early.returncode == 1 and job in early.stderr, early.stderr
    every = lab.call("logs", "logged-1")
    assert every.returncode == 0 and every.stdout == "==> load <==\n" and job in every.stderr
    lab.printed(job, "one", "two\twith a tab", "\u00fc")
    assert lab.call("logs", "logged-1", "load").stdout == "one\ntwo\twith a tab\n\u00fc\n"
    assert lab.call("logs", "logged-1", "load", "--tail", "1").stdout == "\u00fc\n"
    unbegun = lab.call("logs", "logged-1", "write")
    assert unbegun.returncode == 1 and "no processing job" in unbegun.stderr
    reader = popen([PROGRAM, "logs", "logged-1", "load", "-f", "--backend", "sagemaker",
                    "--filename", lab.write("settings")], text=True,
                   stdout=subprocess.PIPE, env=lab.server.env())
    assert [reader.stdout.readline() for _ in range(3)] == ["one\n", "two\twith a tab\n", "\u00fc\n"]
    lab.printed(job, "later")
    assert reader.stdout.readline() == "later\n"
    assert lab.call("cancel", "logged-1").returncode == 0
    out, _ = reader.communicate(timeout=120)
    assert reader.returncode == 0 and out == ""
    process.communicate(timeout=120)


def test_credentials(lab):
    denied = lab.run(lab.write("denied"), "denied-1", user="nobody", code=2)
    assert "not authorized" in denied.stderr or "AccessDenied" in denied.stderr
    wrong = lab.run(lab.write("denied"), "denied-1", code=2, AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in wrong.stderr and "wrong" not in wrong.stderr
    none = lab.run(lab.write("denied"), "denied-1", user="none", code=2)
    assert "there are no credentials" in none.stderr
    secret = lab.write("secret", auth={"accessKey": {"secretRef": {"name": "aws"}}})
    missing = lab.run(secret, "secret-1", user="none", code=1)
    assert "--secret aws/AWS_ACCESS_KEY_ID=" in missing.stderr
    assert not lab.of("denied")


def test_a_role_taken_with_keys(lab):
    """The keys of the user may take the role and no more; STS is moto's."""
    auth = {"accessKey": {"secretRef": {"name": "aws"}},
            "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/runs", "externalId": "x1"}}
    keys = lab.server.keys["hop"]
    lab.run(lab.write("hopped", auth=auth), "hopped-1", "--secret", "aws/AWS_ACCESS_KEY_ID=env:K",
            "--secret", "aws/AWS_SECRET_ACCESS_KEY=env:S", user="none",
            K=keys["AWS_ACCESS_KEY_ID"], S=keys["AWS_SECRET_ACCESS_KEY"])
    assert len(lab.of("hopped")) == 1


def test_a_native_document(lab):
    document = {"Version": "2020-12-01", "Metadata": {},
                "Parameters": [{"Name": "rows", "Type": "Integer"},
                               {"Name": "label", "Type": "String", "DefaultValue": "y"}],
                "Steps": [{"Name": "First", "Type": "Processing", "Arguments": {}},
                          {"Name": "Second", "Type": "Processing", "Arguments": {},
                           "DependsOn": ["First"]}]}
    file = lab.write("native", parameters=[{"name": "rows", "type": "int"}],
                     native={"format": "SageMakerPipeline", "inline": json.dumps(document)})
    done = lab.run(file, "native-1", "-p", "rows=5", "-o", "json")
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    assert {s["name"]: s["phase"] for s in result["steps"]} == {
        "First": "Succeeded", "Second": "Succeeded"}
    [execution] = lab.of("native")
    assert execution["definition"] == document
    assert execution["parameters"] == [{"Name": "rows", "Value": "5"}]
