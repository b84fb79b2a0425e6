"""The CRDs on a real API server: good objects are taken, bad ones refused with a useful message.

crd_cases/good holds objects that must be accepted; every file of crd_cases/bad begins with
`# expect: TEXT`, and the answer that refuses it must contain TEXT.
"""

import json
import os
import pathlib
import re

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
GOOD = sorted((HERE / "crd_cases" / "good").glob("*.yaml"))
BAD = sorted((HERE / "crd_cases" / "bad").glob("*.yaml"))
NAMESPACE = f"crd-test-{os.getpid()}"

FIXED = "the spec of a run cannot be changed, except desiredState"
ONE_WAY = "a cancelled run cannot be set running again"

COLUMNS = {
    "fpl": "NAME READY REASON RUN PHASE PROGRESS FROZEN SUSPEND NEXT AGE",
    "frun": "NAME PIPELINE PHASE PROGRESS REASON STARTED AGE",
    "fbe": "NAME KIND READY REASON VERSION AGE",
    "fco": "NAME IMAGE AGE",
}


def text(stream):
    return stream.decode() if isinstance(stream, bytes) else stream or ""


@pytest.fixture(scope="module")
def kubectl(cp_kubectl):
    """kubectl(*args) -> (exit code, output); kubectl.ok(*args) -> output, and fails the test."""

    def call(*args):
        done = cp_kubectl(*[str(arg) for arg in args])
        return done.returncode, text(done.stdout) + text(done.stderr)

    def ok(*args):
        code, output = call(*args)
        assert code == 0, f"kubectl {' '.join(map(str, args))}: {output}"
        return output

    call.ok = ok
    return call


@pytest.fixture(scope="module")
def cluster(kubectl):
    """The CRDs, applied as a user does, and a namespace; the namespace goes at the end."""
    kubectl.ok("apply", "-f", ROOT / "crds")
    kubectl.ok("wait", "--for=condition=Established", "--timeout=60s", "-f", ROOT / "crds")
    kubectl.ok("create", "namespace", NAMESPACE)
    yield kubectl
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def create(cluster, tmp_path):
    """Creates an object of our group from its kind, name and spec; it goes after the test."""
    made = []

    def build(kind, name, spec, **metadata):
        path = tmp_path / f"{kind}-{name}.json"
        path.write_text(json.dumps({
            "apiVersion": "fondant.ai/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": spec}))
        cluster.ok("create", "-f", path)
        made.append(path)

    yield build
    for path in made:
        cluster("delete", "--ignore-not-found", "-f", path)


def patch(kubectl, resource, name, body, *more):
    return kubectl("-n", NAMESPACE, "patch", resource, name, "--type=merge", "-p",
                   json.dumps(body), *more)


def test_size():
    total = sum(path.stat().st_size for path in CRDS)
    assert len(CRDS) == 4
    assert total < 200_000, total


def test_every_schema_is_bounded():
    """Each list, map and string has a limit; only what holds any JSON has none."""
    open_ends = []

    def walk(node, path):
        kind = node.get("type")
        if kind == "string" and not {"enum", "maxLength"} & node.keys():
            open_ends.append(path)
        if kind == "array":
            if not {"maxItems", "x-kubernetes-list-type"} <= node.keys():
                open_ends.append(path)
            walk(node["items"], path + "[]")
        if "additionalProperties" in node:
            if "maxProperties" not in node:
                open_ends.append(path)
            walk(node["additionalProperties"], path + "{}")
        for name, child in node.get("properties", {}).items():
            walk(child, f"{path}.{name}")
        if "default" in node:
            open_ends.append(path + " has a default")

    for crd in CRDS:
        spec = yaml.safe_load(crd.read_text())["spec"]
        for version in spec["versions"]:
            walk(version["schema"]["openAPIV3Schema"], spec["names"]["kind"])
    assert open_ends == []


def test_every_rule_has_a_message_and_a_case():
    tried = {path.read_text().splitlines()[0].removeprefix("# expect: ") for path in BAD}
    tried |= {FIXED, ONE_WAY}
    untried = []

    def walk(node):
        if isinstance(node, dict):
            for rule in node.get("x-kubernetes-validations", []):
                if not any(expect in rule["message"] for expect in tried):
                    untried.append(rule["message"])
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    for crd in CRDS:
        walk(yaml.safe_load(crd.read_text()))
    assert untried == []


def test_apply_is_repeatable(cluster):
    again = cluster.ok("apply", "-f", ROOT / "crds")
    assert again.count("unchanged") == 4, again
    cluster.ok("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f",
               ROOT / "crds")


def test_no_warning_of_the_schema(cluster):
    """The API server says in a condition when a schema is not structural."""
    crds = json.loads(cluster.ok("get", "-f", ROOT / "crds", "-o", "json"))
    for crd in crds["items"]:
        conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert conditions["NamesAccepted"] == "True"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good(cluster, path):
    cluster.ok("-n", NAMESPACE, "create", "--dry-run=server", "-f", path)
    cluster.ok("-n", NAMESPACE, "apply", "--server-side", "-f", path)
    kept = cluster.ok("-n", NAMESPACE, "get", "-f", path, "-o", "json")
    kept = json.loads(kept)
    kept = kept.get("items", [kept])
    sent = [doc for doc in yaml.safe_load_all(path.read_text()) if doc]
    for want, have in zip(sent, kept, strict=True):
        lost = missing(want["spec"], have["spec"])
        assert not lost, f"{path.name}: the server dropped or changed {lost}"
    cluster.ok("-n", NAMESPACE, "delete", "-f", path)


def missing(want, have, path="spec"):
    """The paths of `want` that `have` lacks or has otherwise; null is as good as absent."""
    if want is None:
        return [] if have is None else [path]
    if isinstance(want, dict) and isinstance(have, dict):
        lost = []
        for key, value in want.items():
            key = str(key).lower() if isinstance(key, bool) else key
            lost += missing(value, have.get(key), f"{path}.{key}")
        return lost
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        return [lost for i, pair in enumerate(zip(want, have))
                for lost in missing(*pair, f"{path}[{i}]")]
    if hasattr(want, "isoformat"):
        return [] if want.strftime("%Y-%m-%dT%H:%M:%SZ") == have else [path]
    return [] if want == have else [path]


@pytest.fixture(scope="module")
def refusals(cluster):
    """The answer to every bad object, by file name: one call of kubectl for all of them."""
    code, output = cluster("-n", NAMESPACE, "create", "--dry-run=server", "-f",
                           HERE / "crd_cases" / "bad")
    assert code != 0
    answers = {}
    for answer in re.split(r"(?m)^(?=Error from server)", output):
        name = re.search(r'error when creating "[^"]*?([^"/]+)\.yaml"', answer)
        if name:
            answers[name.group(1)] = answer
    return answers


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad(refusals, path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# expect: "), path
    assert path.stem in refusals, "the server took it"
    assert first.removeprefix("# expect: ") in refusals[path.stem]


RUN = {"pipelineRef": {"name": "p"}, "parameters": [{"name": "rows", "value": {"a": [1]}}],
       "ttlAfterFinished": "1h"}


@pytest.mark.parametrize("change", [
    {"pipelineRef": {"name": "q"}},
    {"pipelineRef": None, "frozenSpecRef": {"name": "f"}, "parameters": None},
    {"parameters": [{"name": "rows", "value": {"a": [2]}}]},
    {"parameters": [{"name": "rows", "value": {"b": [1]}}]},
    {"parameters": [{"name": "lines", "value": {"a": [1]}}]},
    {"parameters": None},
    {"ttlAfterFinished": "2h"},
    {"ttlAfterFinished": None},
    {"scheduledTime": "2024-05-28T03:00:00Z"},
    {"backendRef": {"name": "b"}},
    {"readyWhen": "Finished"},
    {"desiredState": "Cancelled", "ttlAfterFinished": "2h"},
], ids=lambda change: "-".join(change))
def test_run_spec_is_immutable(cluster, create, change):
    create("FondantRun", "fixed", RUN)
    code, output = patch(cluster, "frun", "fixed", {"spec": change})
    assert code != 0 and FIXED in output, output


def test_resume_and_frozen_are_immutable(cluster, create):
    create("FondantRun", "frozen", {"frozenSpecRef": {"name": "a"}})
    create("FondantRun", "resumed", {"resumeFrom": {"runName": "a", "step": "b"}})
    code, output = patch(cluster, "frun", "frozen", {"spec": {"frozenSpecRef": {"name": "b"}}})
    assert code != 0 and FIXED in output
    code, output = patch(cluster, "frun", "resumed", {"spec": {"resumeFrom": {"step": "c"}}})
    assert code != 0 and FIXED in output


def test_cancelling_is_one_way(cluster, create):
    create("FondantRun", "cancel", RUN)
    for state in ("Running", "Cancelled"):
        code, output = patch(cluster, "frun", "cancel", {"spec": {"desiredState": state}})
        assert code == 0, output
    for state in ("Running", None):
        code, output = patch(cluster, "frun", "cancel", {"spec": {"desiredState": state}})
        assert code != 0 and ONE_WAY in output


def test_labels_and_finalizers_of_a_run_stay_mutable(cluster, create):
    create("FondantRun", "labels", RUN)
    code, output = patch(cluster, "frun", "labels", {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["fondant.ai/run"]}})
    assert code == 0, output
    code, output = patch(cluster, "frun", "labels", {"metadata": {"finalizers": None}})
    assert code == 0, output


def test_generation_counts_specs_only(cluster, create):
    create("FondantPipeline", "status", {
        "steps": [{"name": "a", "component": {"ref": {"name": "c"}}}]})
    # without --subresource the status is ignored
    code, output = patch(cluster, "fpl", "status", {"status": {"observedGeneration": 7}})
    assert code == 0, output
    pipeline = json.loads(cluster.ok("-n", NAMESPACE, "get", "fpl", "status", "-o", "json"))
    assert "status" not in pipeline and pipeline["metadata"]["generation"] == 1
    code, output = patch(cluster, "fpl", "status", {"status": PIPELINE_STATUS},
                         "--subresource=status")
    assert code == 0, output
    pipeline = json.loads(cluster.ok("-n", NAMESPACE, "get", "fpl", "status", "-o", "json"))
    assert pipeline["status"] == PIPELINE_STATUS and pipeline["metadata"]["generation"] == 1


CONDITION = {"type": "Ready", "status": "True", "reason": "Compiled", "message": "4 steps frozen",
             "observedGeneration": 1, "lastTransitionTime": "2024-05-28T03:00:00Z"}
PIPELINE_STATUS = {
    "observedGeneration": 1,
    "frozen": {"name": "status-5f2c9ab01d34", "hash": "sha256:" + "5" * 64,
               "shortHash": "5f2c9ab01d34", "unresolvedImages": 0, "outdated": False},
    "latestRun": {"name": "status-1-91c0de", "phase": "Running", "progress": "1/4",
                  "startTime": "2024-05-28T03:00:00Z", "url": "https://kfp.example/#/runs/1"},
    "lastSuccessfulRun": {"name": "status-1-91c0de", "completionTime": "2024-05-28T03:00:00Z"},
    "lastScheduleTime": "2024-05-28T03:00:00Z",
    "nextScheduleTime": "2024-05-29T03:00:00Z",
    "triggered": {"intent": "6" * 64, "hash": "5" * 64, "rerunToken": "a", "generation": 1,
                  "run": "status-1-91c0de"},
    "conditions": [CONDITION],
}
RUN_STATUS = {
    "observedGeneration": 1, "runID": "status-1-91c0de-01234567", "phase": "Failed",
    "frozenSpec": {"name": "status-5f2c9ab01d34", "uid": "u", "hash": "sha256:" + "5" * 64},
    "backend": {"name": "prod", "kind": "kubernetes", "uid": "u", "generation": 2},
    "nativeHash": "sha256:" + "7" * 64,
    "startTime": "2024-05-28T03:00:00Z", "completionTime": "2024-05-28T03:10:00Z",
    "progress": "1/4", "backendRunID": "x", "url": "https://kfp.example/#/runs/1",
    "steps": [
        {"name": "load", "phase": "Cached", "startTime": "2024-05-28T03:00:00Z",
         "completionTime": "2024-05-28T03:00:00Z", "cachedFrom": "status-0-91c0de-01234567/load"},
        {"name": "keep", "phase": "Failed", "startTime": "2024-05-28T03:00:00Z",
         "completionTime": "2024-05-28T03:10:00Z", "reason": "OOMKilled", "exitCode": 137,
         "message": "OOMKilled: 2Gi\nlast line", "attempts": 4,
         "external": {"kind": "Job", "name": "status-1-91c0de-keep-01234567"}},
    ],
    "conditions": [CONDITION],
}


def test_status_and_columns(cluster, create):
    spec = {"steps": [{"name": "a", "component": {"ref": {"name": "c"}}}], "suspend": False}
    create("FondantPipeline", "columns", spec)
    create("FondantRun", "columns", RUN, labels={"fondant.ai/pipeline": "p"})
    create("FondantBackend", "columns", {"kubernetes": {}})
    create("FondantComponent", "columns", {"name": "a", "description": "b", "image": "c:1"})
    for resource, status in (("fpl", PIPELINE_STATUS), ("frun", RUN_STATUS), ("fbe", {
            "observedGeneration": 1, "kind": "kubernetes", "version": "v1.37.2",
            "lastProbeTime": "2024-05-28T03:00:00Z", "conditions": [CONDITION]})):
        code, output = patch(cluster, resource, "columns", {"status": status},
                             "--subresource=status")
        assert code == 0, output
        kept = json.loads(cluster.ok("-n", NAMESPACE, "get", resource, "columns", "-o", "json"))
        assert kept["status"] == status
    lines = {}
    for resource, header in COLUMNS.items():
        lines[resource] = cluster.ok("-n", NAMESPACE, "get", resource).splitlines()
        assert lines[resource][0].split() == header.split()
    row = next(line for line in lines["fpl"] if line.startswith("columns"))
    assert row.split()[:-1] == ["columns", "True", "Compiled", "status-1-91c0de", "Running", "1/4",
                                "5f2c9ab01d34", "false", "2024-05-29T03:00:00Z"]
    row = next(line for line in lines["frun"] if line.startswith("columns"))
    assert row.split()[:5] == ["columns", "p", "Failed", "1/4", "Compiled"]
    row = next(line for line in lines["fbe"] if line.startswith("columns"))
    assert row.split()[:-1] == ["columns", "kubernetes", "True", "Compiled", "v1.37.2"]
    row = next(line for line in lines["fco"] if line.startswith("columns"))
    assert row.split()[:-1] == ["columns", "c:1"]


def test_bad_status_is_refused(cluster, create):
    create("FondantRun", "status", RUN)
    for status, expect in (
            ({"phase": "Done"}, "status.phase: Unsupported value"),
            ({"steps": [{"name": "a", "phase": "Lost"}]}, "phase: Unsupported value"),
            ({"steps": [{"name": "a", "phase": "Failed"}] * 2}, "Duplicate value")):
        code, output = patch(cluster, "frun", "status", {"status": status}, "--subresource=status")
        assert code != 0 and expect in output, output


def test_selectors_and_categories(cluster, create):
    create("FondantRun", "mine", RUN)
    create("FondantRun", "other", {"pipelineRef": {"name": "q"}})
    create("FondantPipeline", "asleep", {
        "steps": [{"name": "a", "component": {"ref": {"name": "c"}}}], "suspend": True})

    def names(*args):
        return cluster.ok("-n", NAMESPACE, "get", *args, "-o", "name").split()

    assert names("frun", "--field-selector", "spec.pipelineRef.name=q") == [
        "fondantrun.fondant.ai/other"]
    assert names("fpl", "--field-selector", "spec.suspend=true") == [
        "fondantpipeline.fondant.ai/asleep"]
    assert {"fondantrun.fondant.ai/mine", "fondantpipeline.fondant.ai/asleep"} <= set(
        names("fondant"))
    assert "fondantpipeline.fondant.ai/asleep" in names("all")
    assert "fondantrun.fondant.ai/mine" not in names("all")
