"""A working directory on an object store (moto, its signature check on), with the framework's own
executor in the steps and a controller that may see the store: a success, a cache hit and a prune
are judged by what lies there."""
import copy
import json
import subprocess

import pytest
import yaml

from kit import (CLUSTER, ROOT, Namespace, helm_install, phases_of, probe_step, steps_of,
                 wait_until)

EXAMPLE = ROOT / "examples/clean-text"
PYTHON = str(ROOT / ".cache/s3-venv/bin/python")
ADDRESS = "10.244.0.1:5300"  # the cluster's bridge, as pods and the controller see it
ENDPOINT = f"http://{ADDRESS}"
STEPS = ["load", "filter", "normalize", "write"]

# The user whose keys everybody has, and the bucket; prints the keys.
SETUP = """
import boto3, json, sys
def client(service):
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="us-east-1",
                        aws_access_key_id="setup", aws_secret_access_key="setup")
iam = client("iam")
iam.create_user(UserName="steps")
iam.put_user_policy(UserName="steps", PolicyName="p", PolicyDocument=json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}))
key = iam.create_access_key(UserName="steps")["AccessKey"]
client("s3").create_bucket(Bucket="lake")
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"""

# put FILE KEY | ls PREFIX | rm KEY
TOOL = """
import boto3, json, sys
s3 = boto3.client("s3")
verb, *words = sys.argv[1:]
if verb == "put":
    s3.upload_file(words[0], "lake", words[1])
elif verb == "rm":
    s3.delete_object(Bucket="lake", Key=words[0])
else:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=words[0])
    print(json.dumps([o["Key"] for page in pages for o in page.get("Contents", [])]))
"""


class Store:
    """The store, and a cluster whose controller was given its keys."""

    def __init__(self, cluster, keys):
        self.cluster = cluster
        self.env = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1],
                    "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ENDPOINT_URL": ENDPOINT}

    def exec(self, *argv):
        return self.cluster.exec("env", *(f"{k}={v}" for k, v in self.env.items()), *argv)

    def tool(self, *words):
        return self.exec(PYTHON, "-c", TOOL, *words).stdout

    def keys(self, prefix):
        return json.loads(self.tool("ls", prefix))

    def secret(self):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"},
                "stringData": {k: v for k, v in self.env.items() if "KEY" in k}}

    def container_env(self):
        """As entries of a container's env: the keys out of the Secret `store`."""
        return [{"name": k, "valueFrom": {"secretKeyRef": {"name": "store", "key": k}}}
                if "KEY" in k else {"name": k, "value": v} for k, v in self.env.items()]


def moto_of(cluster, log):
    return subprocess.Popen(
        [CLUSTER, "exec", cluster.name, "--", "env", "INITIAL_NO_AUTH_ACTION_COUNT=9999", PYTHON,
         "-m", "moto.server", "-H", ADDRESS.split(":")[0], "-p", ADDRESS.split(":")[1]],
        env=cluster.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def store(operator, tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "s3"], check=True)
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        moto = moto_of(operator, log)
    try:
        wait_until(lambda: operator.exec("curl", "-sf", ENDPOINT + "/moto-api/", check=False
                                         ).returncode == 0, 60, lambda: "moto does not answer")
        keys = json.loads(operator.exec(PYTHON, "-c", SETUP, ENDPOINT).stdout)
        operator.exec("curl", "-sf", "-X", "POST", "-H", "Content-Type: text/plain", "-d", "0",
                      ENDPOINT + "/moto-api/reset-auth")
        found = Store(operator, keys)
        operator.apply(found.secret(), ns="fondant-system")
        helm_install(operator, operator.operator_image, "--set", "ambientCredentials=true",
                     "--set-json", f"extraEnv={json.dumps(found.container_env())}")
        yield found
    finally:
        helm_install(operator, operator.operator_image)
        operator.kubectl("delete", "secret", "store", "-n", "fondant-system",
                         "--ignore-not-found")
        moto.terminate()
        moto.wait(timeout=20)


@pytest.fixture(scope="module")
def lake(store):
    """A namespace with the Secret, and the example's corpus in the store."""
    ns = Namespace(store.cluster)
    store.cluster.kubectl("create", "namespace", ns.name)
    try:
        ns.apply(store.secret())
        ns.apply((EXAMPLE / "component.yaml").read_text())
        corpus = ns.data / "docs.parquet"
        subprocess.run([str(ROOT / ".cache/venv/bin/python"), str(EXAMPLE / "generate.py"),
                        str(corpus), "500"], check=True)
        store.tool("put", str(corpus), "raw/docs.parquet")
        yield ns
    finally:
        store.cluster.kubectl("delete", "namespace", ns.name, "--wait=false")


def pipeline(store, token=""):
    """examples/clean-text, on s3:// from end to end."""
    body = copy.deepcopy(yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text()))
    spec = body["spec"]
    spec["workingDirectory"] = "s3://lake/artifacts"
    spec["podTemplate"] = {"spec": {"containers": [{"name": "main",
                                                    "env": store.container_env()}]}}
    spec["steps"][0]["arguments"]["dataset_uri"] = "s3://lake/raw/docs.parquet"
    spec["steps"][-1]["arguments"]["path"] = "s3://lake/out"
    spec["triggers"] = {"rerunToken": token}
    return body


def run_again(ns, store, before, token):
    return ns.run_to(pipeline(store, token), not_run=before["metadata"]["name"])


@pytest.fixture(scope="module")
def first(lake, store):
    return lake.run_to(pipeline(store))


def folder(run, step=""):
    return f"artifacts/clean-text/{run['status']['runID']}/{step}"


def test_it_runs_to_its_result_in_the_store(store, first):
    assert phases_of(first) == dict.fromkeys(STEPS, "Succeeded")
    there = store.keys(folder(first))
    for step in STEPS[:-1]:
        assert folder(first, step) + "/manifest.json" in there
    assert [key for key in store.keys("out/") if key.endswith(".parquet")]


def test_the_controller_never_shows_its_keys(lake, store, first):
    secret = store.env["AWS_SECRET_ACCESS_KEY"]
    dumped = lake.kubectl("get", "fpl,frun,jobs,pods,configmaps,events", "-o", "yaml").stdout
    log = store.cluster.kubectl("logs", "-n", "fondant-system", "deploy/fondant-operator").stdout
    assert first["metadata"]["name"] in dumped
    assert secret not in dumped and secret not in log


def test_a_hit_is_believed_only_with_its_manifest(lake, store, first):
    second = run_again(lake, store, first, "second")
    assert phases_of(second) == dict.fromkeys(STEPS[:-1], "Cached") | {
        "write": phases_of(second)["write"]}
    assert not store.keys(folder(second, "load"))
    store.tool("rm", folder(first, "filter") + "/manifest.json")
    third = run_again(lake, store, second, "third")
    phases = phases_of(third)
    assert phases["load"] == "Cached"
    assert phases["filter"] == phases["normalize"] == "Succeeded"
    assert steps_of(third)["load"]["cachedFrom"] == f"{first['status']['runID']}/load"
    assert folder(third, "filter") + "/manifest.json" in store.keys(folder(third))


LIAR = """import os

from fondant.component import DaskLoadComponent


class Liar(DaskLoadComponent):
    def __init__(self):
        os._exit(0)

    def load(self):
        pass
"""


def test_a_success_without_a_manifest_is_not_believed(lake, store):
    body = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
            "metadata": {"name": "liar"},
            "spec": {"workingDirectory": "s3://lake/artifacts",
                     "steps": [{"name": "load", "component": {"python": {
                         "image": "fndnt/fondant:0.12.1-py3.11", "source": LIAR,
                         "produces": {"a": {"type": "string"}}}}},
                               probe_step("read", consumes=["a"])]}}
    run = lake.run_to(body, phase="Failed")
    assert phases_of(run) == {"load": "Failed", "read": "Skipped"}
    step = steps_of(run)["load"]
    assert step["reason"] == "ManifestMissing"
    assert "manifest.json" in step["message"]


def prune(store, *more):
    return store.exec(str(ROOT / "build/kubectl-fondant"), "cache", "prune", "--data", "--volume",
                      "s3://lake/artifacts", "--older-than", "1s", *more).stdout


def test_data_that_nothing_refers_to_is_pruned(lake, store, first):
    lake.kubectl("delete", "fpl", "clean-text", "--wait")
    lake.wait("the runs to go", lambda: not [
        run for run in lake.get("frun")
        if run["metadata"]["labels"].get("fondant.ai/pipeline") == "clean-text"])
    lake.wait("the cache index to go", lambda: not [
        found for found in lake.get("configmap", selector="fondant.ai/cache-index")
        if found["metadata"]["annotations"].get("fondant.ai/dataset") == "clean-text"])
    before = store.keys("artifacts/clean-text/")
    assert first["status"]["runID"] in prune(store, "--dry-run")
    assert store.keys("artifacts/clean-text/") == before
    prune(store)
    left = store.keys("artifacts/clean-text/")
    assert all(key.startswith("artifacts/clean-text/cache/") for key in left)  # the executor's litter
    assert store.keys("out/") and store.keys("raw/")
