"""The pipeline language on a real cluster: parameters, Python steps, joins, secrets, digests."""
import base64
import copy
import json

import pyarrow.parquet as pq
import pytest

from kit import phases_of, probe_step, steps_of

FRAMEWORK = "fndnt/fondant:0.12.1-py3.11"
SECRET = "s3cr3t-'\"%$(x)-value"

MAKE = '''
import dask.dataframe as dd
import pandas as pd
from fondant.component import DaskLoadComponent


class Make(DaskLoadComponent):
    """Rows "%s" \\n 'quoted' \u00fc"""

    def __init__(self, *, rows: int, word: str):
        self.rows, self.word = rows, word

    def load(self):
        index = pd.Index([f"r{i:03d}" for i in range(self.rows)], name="id")
        texts = [f"{self.word} {i}" for i in range(self.rows)]
        return dd.from_pandas(pd.DataFrame({"text": texts}, index=index), npartitions=1)
'''
SIZE = '''
import pandas as pd
from fondant.component import PandasTransformComponent


class Size(PandasTransformComponent):
    def transform(self, dataframe):
        return pd.DataFrame({"size": dataframe["text"].map(len).astype("int64")})
'''
SHOUT = '''
import pandas as pd
from fondant.component import PandasTransformComponent


class Shout(PandasTransformComponent):
    def transform(self, dataframe):
        return pd.DataFrame({"loud": dataframe["text"].str.upper()})
'''
# the secret's length says that it arrived, whole
BOTH = '''
import pandas as pd
from fondant.component import PandasTransformComponent


class Both(PandasTransformComponent):
    def __init__(self, *, token: str, stamp: str):
        self.token, self.stamp = token, stamp

    def transform(self, dataframe):
        lines = dataframe["loud"] + " " + dataframe["size"].astype(str)
        lines = lines + f" {len(self.token)} {self.stamp}"
        return pd.DataFrame({"line": lines})
'''
STRING, INT = {"type": "string"}, {"type": "int64"}


def python_step(name, source, consumes=None, produces=None, **more):
    # `{}`: a loader; without `consumes` a Python step reads every field
    python = {"image": FRAMEWORK, "source": source, "consumes": consumes or {},
              "produces": produces or {}}
    return {"name": name, "component": {"python": python}, **more}


def language(ns):
    """make -> size, shout -> both, which joins them and is given a secret."""
    steps = [
        python_step("make", MAKE, produces={"text": STRING}, arguments={
            "rows": "$(parameters.rows)", "word": "is $(parameters.word)"}),
        python_step("size", SIZE, {"text": STRING}, {"size": INT}, **{"from": ["make"]}),
        python_step("shout", SHOUT, {"text": STRING}, {"loud": STRING}, **{"from": ["make"]}),
        python_step("both", BOTH, {"loud": STRING, "size": INT}, {"line": STRING},
                    arguments={"stamp": "$(run.scheduledDate)"},
                    secretArguments={"token": {"secretKeyRef": {"name": "vault", "key": "t"}}},
                    **{"from": ["shout", "size"]}),
        # who reads it, so that it owes its data
        probe_step("end", consumes=["line"], arguments={"write": True}, **{"from": ["both"]})]
    return ns.pipeline("lang", steps, parameters=[
        {"name": "rows", "type": "int", "default": 3}, {"name": "word", "type": "str",
                                                        "default": "row"}])


def run_of(ns, name, pipeline, **spec):
    ns.apply({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantRun", "metadata": {"name": name},
              "spec": {"pipelineRef": {"name": pipeline}, **spec}})
    return name


def lines(ns, pipeline, run, step, field):
    path = ns.data / "artifacts" / pipeline / run["status"]["runID"] / step
    manifest = json.loads((path / "manifest.json").read_text())
    # on the volume, which pods see as /data
    location = manifest["fields"][field]["location"].removeprefix("/data/")
    parts = sorted((ns.data / location).glob("*.parquet"))
    return sorted(line for part in parts for line in pq.read_table(part).column(field).to_pylist())


def everything(ns):
    """All objects of the namespace as YAML, and the controller's log."""
    kinds = "fpl,frun,jobs,pods,configmaps,events,events.events.k8s.io,replicasets"
    return "\n".join([
        ns.kubectl("get", kinds, "-o", "yaml").stdout,
        ns.cluster.kubectl("logs", "-n", "fondant-system", "deploy/fondant-operator",
                           "--tail=-1").stdout])


def test_join_python_secret_parameters(ns):
    ns.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault"},
              "data": {"t": base64.b64encode(SECRET.encode()).decode()}})
    first = ns.run_to(language(ns))
    date = first["metadata"]["creationTimestamp"][:10]
    assert phases_of(first) == dict.fromkeys(["make", "size", "shout", "both", "end"], "Succeeded")
    assert lines(ns, "lang", first, "both", "line") == [
        f"IS ROW {i} {len(f'is row {i}')} {len(SECRET)} {date}" for i in range(3)]
    # the same with other parameters, and as if it were another day
    name = run_of(ns, "other", "lang", scheduledTime="2024-02-29T03:00:00Z",
                  parameters=[{"name": "rows", "value": 2}])
    other = ns.finished(name)
    assert lines(ns, "lang", other, "both", "line") == [
        f"IS ROW {i} {len(f'is row {i}')} {len(SECRET)} 2024-02-29" for i in range(2)]
    assert other["status"]["frozenSpec"]["name"] != first["status"]["frozenSpec"]["name"]
    frozen = ns.get("configmap", other["status"]["frozenSpec"]["name"])
    assert [o["name"] for o in frozen["metadata"]["ownerReferences"]] == ["other"]
    spec = json.loads(frozen["data"]["spec.json"])
    assert spec["parameters"] == {"rows": 2, "word": "row"}
    by_name = {step["name"]: step for step in spec["steps"]}
    assert by_name["make"]["python"]["source"] == MAKE  # byte for byte
    assert "@sha256:" in by_name["make"]["image"] and by_name["make"]["imageTag"] == FRAMEWORK
    # the secret is nowhere but in its Secret
    dump = everything(ns)
    assert "FONDANT_SECRET_0" in dump and "StepFailed" not in dump
    for shape in (SECRET, json.dumps(SECRET)[1:-1], "s3cr3t",
                  base64.b64encode(SECRET.encode()).decode()):
        assert shape not in dump
    for manifest in ns.data.rglob("manifest.json"):
        assert "s3cr3t" not in manifest.read_text()


def test_a_missing_parameter_is_asked_for(ns):
    pipeline = ns.linear("p", {"rows": "$(parameters.rows)"},
                         parameters=[{"name": "rows", "type": "int"}])
    ns.apply(pipeline)

    def ready():
        conditions = ns.get("fpl", "p").get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "Ready"), None)
    condition = ns.wait("the pipeline to be judged", ready)
    assert (condition["status"], condition["reason"]) == ("True", "ParameterRequired")
    assert "rows" in condition["message"]
    bare = ns.finished(run_of(ns, "bare", "p"), "Failed")
    [why] = [c for c in bare["status"]["conditions"] if c["type"] == "Ready"]
    assert why["reason"] == "ParameterRequired" and "rows" in why["message"]
    given = ns.finished(run_of(ns, "given", "p", parameters=[{"name": "rows", "value": 4}]))
    assert phases_of(given) == {"s1": "Succeeded"}
    wrong = ns.finished(run_of(ns, "wrong", "p", parameters=[{"name": "rows", "value": "x"}]),
                        "Failed")
    [why] = [c for c in wrong["status"]["conditions"] if c["type"] == "Ready"]
    assert why["reason"] == "InvalidParameter" and "spec.parameters" in why["message"]
    assert [r["metadata"]["name"] for r in ns.get("frun")] == ["bare", "given", "wrong"]


def test_an_existing_dataset_is_read(ns):
    made = ns.run_to(ns.linear("made", {}, {}))
    manifest = f"/data/artifacts/made/{made['status']['runID']}/s1/manifest.json"
    steps = [probe_step("read", consumes=["a"], fromManifest=manifest)]
    steps[0]["consumes"] = {"a": {"type": "string"}}
    run = ns.run_to(ns.pipeline("reader", steps))
    assert phases_of(run) == {"read": "Succeeded"}
    again = ns.run_to(ns.pipeline("reader", steps, triggers={"rerunToken": "1"}),
                      not_run=run["metadata"]["name"])
    assert phases_of(again) == {"read": "Cached"}


@pytest.fixture
def tag(ns):
    """A tag of the probe that can be moved."""
    def move(to):
        ns.cluster.exec("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
                        f"docker://127.0.0.1:5200/{to}", f"docker://127.0.0.1:5200/{name}:1")
    name = f"moved-{ns.name}"
    move("probe:1")
    return f"registry.lab/{name}:1", move


def test_a_moved_tag_misses_and_an_edited_description_hits(ns, tag):
    image, move = tag
    pipeline = ns.linear("p", {}, {})
    for step in pipeline["spec"]["steps"]:
        step["component"]["spec"]["image"] = image
    first = ns.run_to(pipeline)
    assert ns.get("fpl", "p")["status"]["frozen"]["unresolvedImages"] == 0
    edited = copy.deepcopy(pipeline)
    edited["spec"]["steps"][0]["component"]["spec"]["description"] = "In other words."
    edited["spec"]["triggers"] = {"rerunToken": "1"}
    second = ns.run_to(edited, not_run=first["metadata"]["name"])
    assert phases_of(second) == {"s1": "Cached", "s2": "Cached"}
    move(FRAMEWORK)  # whatever it is, it is another one
    # what registries said is remembered for a while, by this process
    ns.cluster.kubectl("rollout", "restart", "-n", "fondant-system", "deploy/fondant-operator")
    ns.cluster.kubectl("rollout", "status", "-n", "fondant-system", "deploy/fondant-operator",
                       "--timeout=120s")
    edited["spec"]["triggers"] = {"rerunToken": "2"}
    ns.apply(edited)
    third = ns.latest("p", not_run=second["metadata"]["name"])
    ns.wait("s1 to be started", lambda: "s1" in steps_of_or_none(ns, third))
    job = ns.get("jobs", selector=f"fondant.ai/run={third},fondant.ai/step=s1")
    assert len(job) == 1  # it was not taken from the cache
    ns.patch("frun", third, {"spec": {"desiredState": "Cancelled"}})


def steps_of_or_none(ns, run):
    found = ns.get("frun", run)
    if not found.get("status", {}).get("steps"):
        return {}
    return {name: step for name, step in steps_of(found).items()
            if step["phase"] not in ("Waiting",)}
