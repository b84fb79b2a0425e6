"""kubectl fondant on Kubeflow Pipelines: a server that judges by the vendor's own messages, held
against answers of a real one, and driven by the vendor's own client."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from kit import ROOT, free_port, probe_step, wait_until

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
PYTHON = ROOT / ".cache/kfp-venv/bin/python"
ANSWERS = ROOT / "tests/data/kubeflow/answers-2.17.txt"


@contextlib.contextmanager
def serving(**environment):
    port = free_port()
    process = subprocess.Popen([str(PYTHON), str(ROOT / "tests/kubeflow_server.py"), str(port)],
                               env={**os.environ, **environment})
    url = f"http://127.0.0.1:{port}"

    def answers():
        assert process.poll() is None
        try:
            return urllib.request.urlopen(url + "/test/runs", timeout=5).read()
        except OSError:
            return False
    try:
        wait_until(answers, 60, lambda: "the server does not answer")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def server():
    subprocess.run([str(ROOT / "tests/deps"), "kfp"], check=True, stdout=sys.stderr)
    with serving(TOKEN="let me in", TAG="2.17.0") as url:
        yield url


class Lab:
    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        (folder / "token").write_text("let me in\n")
        self.env = {**os.environ, "KF_PIPELINES_SA_TOKEN_PATH": str(folder / "token")}

    def write(self, word="", **settings):
        steps = [probe_step("load", produces=["a"], arguments={"note": word or "x"}),
                 probe_step("write", consumes=["a"])]
        pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                    "metadata": {"name": "lab"}, "spec": {
                        "workingDirectory": "s3://lake/fondant", "serviceAccountName": "loader",
                        "podTemplate": {"spec": {"nodeSelector": {"disk": "fast"}}},
                        "steps": steps}}
        backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
                   "metadata": {"name": "default"},
                   "spec": {"kubeflow": {"endpoint": self.server, "experiment": "corpus",
                                         "pipelineRoot": "s3://lake/kfp", **settings}}}
        file = self.folder / "lab.yaml"
        file.write_text(yaml.safe_dump_all([pipeline, backend], sort_keys=False))
        return str(file)

    def argv(self, file, name):
        return [PROGRAM, "run", "-f", file, "--backend", "kubeflow", "--name", name]

    def run(self, file, name, *more, code=0):
        done = subprocess.run([*self.argv(file, name), *more], capture_output=True, text=True,
                              env=self.env, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def call(self, *argv):
        return subprocess.run([PROGRAM, *argv, "--backend", "kubeflow", "--endpoint", self.server],
                              capture_output=True, text=True, env=self.env, timeout=60)

    def runs(self):
        """Of the server: display name -> everything of the run."""
        found = json.loads(urllib.request.urlopen(self.server + "/test/runs", timeout=10).read())
        return {run["body"]["display_name"]: run for run in found.values()}

    def of(self, name):
        [run] = [run for shown, run in self.runs().items() if shown.startswith(f"{name}-")]
        return run


@pytest.fixture
def lab(server, tmp_path):
    return Lab(server, tmp_path)


def test_a_run_to_its_end(lab):
    done = lab.run(lab.write(), "whole")
    assert re.search(r"its page: \S+/#/runs/details/[0-9a-f-]{36}", done.stdout)
    assert "run whole: Succeeded" in done.stdout
    run = lab.of("whole")
    assert run["workflows"] == 1
    body = run["body"]
    assert body["service_account"] == "loader"
    assert body["runtime_config"] == {"pipeline_root": "s3://lake/kfp"}
    platform = body["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    assert "disk" in json.dumps(platform)
    status = lab.call("status", "whole", "-o", "json")
    assert json.loads(status.stdout)["phase"] == "Succeeded", status.stderr
    assert {s["name"]: s["phase"] for s in json.loads(status.stdout)["steps"]} == {
        "load": "Succeeded", "write": "Succeeded"}


def test_where_logs_are(lab):
    lab.run(lab.write(), "logged")
    run = lab.of("logged")["body"]["run_id"]
    said = lab.call("logs", "logged", "load", "--tail", "7").stdout
    assert f"/#/runs/details/{run}\n" in said
    assert f" --selector pipeline/runid={run} --container main --prefix --tail 7\n" in said
    every = lab.call("logs", "logged").stdout
    assert every.count("==>") == 2 and every.count(" --tail -1\n") == 2
    missing = lab.call("logs", "never", "load")
    assert missing.returncode == 1 and "no such run" in missing.stderr


def test_a_failure(lab):
    done = lab.run(lab.write("fail"), "broken", "-o", "json", code=1)
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    steps = {step["name"]: step for step in result["steps"]}
    assert steps["load"]["phase"] == "Failed" and "/#/runs/details/" in steps["load"]["message"]
    assert steps["write"]["phase"] == "Skipped"


def test_ctrl_c_terminates_it(lab, popen):
    process = popen(lab.argv(lab.write("hang"), "stop"), stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True, env=lab.env)
    wait_until(lambda: any(name.startswith("stop-") for name in lab.runs()), 60, lambda: "not there")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "run stop: Cancelled" in out, out + err


def test_a_killed_command_finds_its_run_again(lab, popen):
    file = lab.write()
    for _ in range(5):
        process = popen(lab.argv(file, "killed"), stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, env=lab.env)
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    assert "run killed: Succeeded" in lab.run(file, "killed").stdout
    assert lab.of("killed")["workflows"] == 1


def test_cancel_by_name(lab, popen):
    process = popen(lab.argv(lab.write("hang"), "other"), stdout=subprocess.PIPE,
                    text=True, env=lab.env)
    wait_until(lambda: any(n.startswith("other-") for n in lab.runs()), 60, lambda: "not there")
    assert lab.call("cancel", "other").returncode == 0
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "Failed" in out
    nobody = lab.call("status", "nobody")
    assert nobody.returncode == 1 and "has no run nobody" in nobody.stderr


def test_credentials(lab):
    (lab.folder / "token").write_text("wrong")
    done = lab.run(lab.write(), "denied", code=2)
    assert "there is no user identity header" in done.stderr and "wrong" not in done.stderr
    given = {"bearerToken": {"secretKeyRef": {"name": "kfp", "key": "token"}}}
    file = lab.write(auth=given)
    missing = lab.run(file, "denied", code=1)
    assert "--secret kfp/token=env:VARIABLE" in missing.stderr
    lab.env["KFP"] = "let me in"
    done = lab.run(file, "allowed", "--secret", "kfp/token=env:KFP")
    assert "let me in" not in done.stdout + done.stderr + json.dumps(lab.of("allowed"))


CLIENT = """
import sys, json, kfp
client = kfp.Client(host=sys.argv[1], existing_token="let me in")
assert client.create_experiment("by-client").display_name == "by-client"
assert client.create_experiment("by-client").display_name == "by-client"  # lists, then adopts
found = client.get_run(sys.argv[2])
done = client.wait_for_run_completion(sys.argv[2], timeout=60, sleep_duration=1)
names = [task.display_name for task in done.run_details.task_details]
listed = client.list_runs(filter=json.dumps({"predicates": [
    {"key": "display_name", "operation": 1, "stringValue": found.display_name}]}))
print(json.dumps([found.display_name, done.state, "load" in names, len(listed.runs)]))
"""


def test_the_vendors_client_sees_the_run(lab):
    """Both speak to the same server: so it is one, and what we started is a run to it."""
    lab.run(lab.write(), "seen")
    run = lab.of("seen")
    done = subprocess.run([str(PYTHON), "-W", "ignore", "-c", CLIENT, lab.server,
                           run["body"]["run_id"]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        run["body"]["display_name"], "SUCCEEDED", True, 1]


# --- documents of other tools ----------------------------------------------------------------------

COMPILE = """
import sys
from kfp import compiler, dsl

@dsl.container_component
def copy(rows: int, label: str):
    return dsl.ContainerSpec(image="reg.example/copy:1", command=["copy"], args=[rows, label])

@dsl.pipeline(name="by-the-sdk")
def pipeline(rows: int, label: str = "x"):
    first = copy(rows=rows, label=label).set_display_name("First one")
    copy(rows=rows, label=label).after(first)

compiler.Compiler().compile(pipeline, sys.argv[1])
"""


@pytest.fixture(scope="module")
def compiled(server, tmp_path_factory):
    """What the vendor's compiler makes of a pipeline in Python: text."""
    file = tmp_path_factory.mktemp("sdk") / "pipeline.yaml"
    subprocess.run([str(PYTHON), "-W", "ignore", "-c", COMPILE, str(file)], check=True)
    return file.read_text()


def native(lab, text, **spec):
    """Files with the document in a ConfigMap."""
    file = Path(lab.write())
    backend = next(o for o in yaml.safe_load_all(file.read_text()) if o["kind"] == "FondantBackend")
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sdk"},
              "data": {"pipeline.yaml": text}}
    pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": "lab"}, "spec": {
                    "parameters": [{"name": "rows", "type": "int"}],
                    "native": {"format": "KubeflowIR",
                               "configMapKeyRef": {"name": "sdk", "key": "pipeline.yaml"}}, **spec}}
    file.write_text(yaml.safe_dump_all([pipeline, source, backend], sort_keys=False))
    return str(file)


def test_a_native_document(lab, compiled):
    done = lab.run(native(lab, compiled), "native", "-p", "rows=5", "-o", "json")
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    assert {s["name"]: s["phase"] for s in result["steps"]} == {
        "copy": "Succeeded", "copy-2": "Succeeded"}
    run = lab.of("native")
    assert run["workflows"] == 1
    [document] = [d for d in yaml.safe_load_all(compiled) if d]
    assert run["body"]["pipeline_spec"] == {"pipeline_spec": document}
    assert run["body"]["runtime_config"] == {"parameters": {"rows": 5}, "pipeline_root": "s3://lake/kfp"}
    status = json.loads(lab.call("status", "native", "-o", "json").stdout)
    assert status["phase"] == "Succeeded" and len(status["steps"]) == 2


def test_a_native_document_fails(lab, compiled):
    text = compiled.replace("defaultValue: x", "defaultValue: fail")
    done = lab.run(native(lab, text), "native-fails", "-p", "rows=5", code=1)
    assert re.search(r"run native-fails: Failed: step \"copy(-2)?\" failed", done.stdout), done.stdout


def test_a_wrong_native_document(lab, compiled):
    wrong = compiled.replace("name: comp-copy-2", "name: comp-cpy")
    done = lab.run(native(lab, wrong), "native-wrong", "-p", "rows=5", code=1)
    assert "there is no component `comp-cpy` in the document" in done.stderr
    assert "root.dag.tasks.copy-2.componentRef: " in done.stderr
    missing = lab.run(native(lab, compiled), "native-wrong", code=1)
    assert "-p rows=VALUE" in missing.stderr
    none = lab.run(native(lab, compiled, parameters=None), "native-wrong", code=1)
    assert "`rows` (NUMBER_INTEGER)" in none.stderr
    assert not any(name.startswith("native-wrong-") for name in lab.runs())


# --- the server itself ----------------------------------------------------------------------------

def recorded():
    """(method, path, body, status, answer) of the record, where the request is whole."""
    found = re.findall(r"^> (GET|POST|DELETE) (\S+)(?:   (\{.*\}))?\n< (\d+)\n(.*)$",
                       ANSWERS.read_text(), re.MULTILINE)
    return [one for one in found if "..." not in one[2]]


def ask(server, method, path, body):
    request = urllib.request.Request(server + "/apis/v2beta1" + path, method=method,
                                     data=body.encode() or None,
                                     headers={"Authorization": "Bearer let me in"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


SAME = ["/healthz", "/experiments", "/runs", "/nosuch", "/runs?filter=notjson"]


@pytest.mark.parametrize("method, path, body, status, answer", [
    one for one in recorded() if one[1] in SAME and "pipeline_version_reference" not in one[2]])
def test_the_server_answers_as_the_recorded_one(server, method, path, body, status, answer):
    if status == "409":
        ask(server, method, path, body)
    elif path == "/experiments" and status == "200":
        body = body.replace("exp1", f"exp-{os.getpid()}")
    got, said = ask(server, method, path, body)
    assert got == int(status)
    want = json.loads(answer)
    assert set(said) == set(want)
    if "code" in want:
        assert said["code"] == want["code"]
        assert len(said.get("details", [])) == len(want.get("details", []))


def test_a_second_post_starts_a_second_workflow(lab, server):
    lab.run(lab.write(), "twice")
    body = lab.of("twice")["body"]
    status, said = ask(server, "POST", "/runs", json.dumps(body))
    assert status == 500 and "Duplicate entry" in said["message"]
    assert lab.of("twice")["workflows"] == 2


@pytest.mark.parametrize("change", [{"foo": 1}, {"pipeline_spec": {"a": 1}}, {"pipeline_spec": None}])
def test_what_is_wrong_is_refused(server, change):
    status, said = ask(server, "POST", "/runs", json.dumps({"display_name": "x", **change}))
    assert (status, said["code"]) == ((400, 3) if "foo" in change else (500, 13))
    assert Path(ANSWERS).exists()
