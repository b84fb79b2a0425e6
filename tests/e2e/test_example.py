"""examples/clean-text, as it is shipped, with the framework's own executor in every step."""
import copy
import hashlib
import json
import runpy
import shutil

import pyarrow.parquet as pq
import pytest
import yaml

from kit import PROBE, ROOT, Namespace, phases_of, steps_of

EXAMPLE = ROOT / "examples/clean-text"
VOLUME = "/var/lib/fondant/clean-text"
STEPS = ["load", "filter", "normalize", "write"]
LEAVE_MANIFESTS = STEPS[:-1]  # the last one is a sink
METADATA = ["dataset_name", "run_id", "component_id", "cache_key", "manifest_location"]


class Example:
    """The example in a namespace, its volume a folder of this machine."""

    def __init__(self, ns):
        self.ns = ns
        self.pipeline = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())

    def prepare(self):
        rendered = self.ns.kubectl("kustomize", str(EXAMPLE)).stdout
        assert VOLUME in rendered
        self.ns.apply(rendered.replace(VOLUME, str(self.ns.data)))
        self.ns.wait("the corpus", lambda: self.ns.get("job", "clean-text-data").get(
            "status", {}).get("succeeded"))

    def run(self, **changes):
        """Applies the pipeline with these changes of its spec, to the end of the run."""
        pipeline = copy.deepcopy(self.pipeline)
        pipeline["spec"].update(changes)
        there = self.ns.get("fpl", "clean-text")
        before = there and there["status"]["latestRun"]["name"]
        return self.ns.run_to(pipeline, not_run=before)

    def steps(self, step=None, **arguments):
        """The pipeline's steps, one of them with other arguments."""
        steps = copy.deepcopy(self.pipeline["spec"]["steps"])
        for found in steps:
            if found["name"] == step:
                found["arguments"].update(arguments)
        return steps

    def output(self):
        return pq.read_table(self.ns.data / "out/clean-text")

    def frozen(self, run):
        """The run's frozen spec: (ConfigMap, its text)."""
        found = self.ns.get("configmap", run["status"]["frozenSpec"]["name"])
        return found, found["data"]["spec.json"]

    def pods(self):
        return {pod["metadata"]["uid"]: pod for pod in self.ns.get("pods", selector="fondant.ai/run")}

    def pod_of(self, run, step):
        selector = f"fondant.ai/run={run['metadata']['name']},fondant.ai/step={step}"
        [pod] = self.ns.get("pods", selector=selector)
        return pod

    def manifest(self, run, step):
        return (self.ns.data / "artifacts/clean-text" / run["status"]["runID"] / step
                / "manifest.json")


@pytest.fixture(scope="module")
def example(operator):
    ns = Namespace(operator)
    operator.kubectl("create", "namespace", ns.name)
    found = Example(ns)
    try:
        found.prepare()
        yield found
    finally:
        operator.kubectl("delete", "namespace", ns.name, "--wait=false")
        operator.kubectl("delete", "persistentvolume", "clean-text-data", "--wait=false",
                         "--ignore-not-found")
        shutil.rmtree(ns.data, ignore_errors=True)


@pytest.fixture(scope="module")
def first(example):
    """The example as shipped, to Succeeded: (its run, what it wrote)."""
    run = example.run()
    return run, example.output()


def expected(characters, words):
    """The texts that the pipeline has to write, from the corpus as it is generated."""
    corpus = runpy.run_path(str(EXAMPLE / "generate.py"))["corpus"](10000)
    kept = [text for text in corpus["text"].to_pylist()
            if len(text) >= characters and len(text.split()) >= words]
    return sorted(" ".join(text.split()).lower() for text in kept)


def test_the_example_runs_to_its_result(example, first):
    run, table = first
    assert phases_of(run) == dict.fromkeys(STEPS, "Succeeded")
    assert table.num_rows == 6977
    assert set(table.column_names) - {"id"} == {"text", "n_words"}  # id is the index
    assert str(table.schema.field("n_words").type) == "int32"
    rows = table.to_pylist()
    assert sorted(row["text"] for row in rows) == expected(60, 10)
    for row in rows:
        assert row["text"] == row["text"].lower() and row["n_words"] == len(row["text"].split())
        assert row["n_words"] >= 10
    pipeline = example.ns.get("fpl", "clean-text")
    conditions = {c["type"]: c["status"] for c in pipeline["status"]["conditions"]}
    assert conditions["Ready"] == "True" and "Stalled" not in conditions


def test_the_frozen_spec_is_immutable_and_named_by_its_hash(example, first):
    run, _ = first
    config_map, text = example.frozen(run)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert config_map["immutable"] is True
    assert config_map["metadata"]["name"] == f"clean-text-{digest[:12]}"
    assert run["status"]["frozenSpec"]["hash"] == f"sha256:{digest}"
    spec = json.loads(text)
    assert (spec["kind"], spec["pipeline"]) == ("FrozenSpec", "clean-text")
    assert [step["name"] for step in spec["steps"]] == STEPS
    labels = example.pod_of(run, "load")["metadata"]["labels"]
    assert labels["fondant.ai/pipeline"] == "clean-text"


def flags_of(args):
    """Two-token flags as [(name, value)]."""
    assert len(args) % 2 == 0
    names, values = args[::2], args[1::2]
    assert all(name.startswith("--") and "=" not in name for name in names), names
    return [(name[2:], value) for name, value in zip(names, values)]


def expected_flags(spec, step, run_id, before):
    """The framework's contract for one step, from the frozen spec."""
    def manifest(name):
        return f"{spec['workingDirectory']}/{spec['datasetName']}/{run_id}/{name}/manifest.json"

    name = step["name"]
    metadata = dict(zip(METADATA, [spec["datasetName"], run_id, name, step["cacheKey"],
                                   manifest(name)]))
    operation = {"specification": {**step["component"], "name": name}, **step["operation"]}
    flags = [("metadata", json.dumps(metadata)), ("output_manifest_path", manifest(name)),
             ("working_directory", spec["workingDirectory"])]
    flags += [(key, str(value)) for key, value in sorted(step["arguments"].items())]
    flags += [("cache", "False"), ("operation_spec", operation)]
    return flags + ([("input_manifest_path", manifest(before))] if before else [])


def test_containers_get_what_the_frozen_spec_and_the_contract_say(example, first):
    run, _ = first
    spec = json.loads(example.frozen(run)[1])
    before = None
    for step in spec["steps"]:
        [container] = example.pod_of(run, step["name"])["spec"]["containers"]
        assert container["image"] == step["image"]
        assert container["command"] == ["fondant", "execute", "main"]
        flags = flags_of(container["args"])
        names = [name for name, _ in flags]
        told = dict(flags)
        operation = json.loads(told["operation_spec"])
        assert list(operation) == ["specification", "consumes", "produces"]
        assert told["operation_spec"] == json.dumps(operation)  # as Python would write it
        flags[names.index("operation_spec")] = ("operation_spec", operation)
        assert flags == expected_flags(spec, step, run["status"]["runID"], before)
        before = step["name"]


def test_rerun_is_all_cached_and_starts_no_pod(example, first):
    run, _ = first
    pods = set(example.pods())
    again = example.run(triggers={"rerunToken": "again"})
    assert phases_of(again) == dict.fromkeys(STEPS, "Cached")
    assert set(example.pods()) == pods
    for step in LEAVE_MANIFESTS:
        assert steps_of(again)[step]["cachedFrom"] == f"{run['status']['runID']}/{step}"


def test_changed_argument_runs_again_from_that_step_on(example, first):
    # not above 21: the first row of a partition must stay, else the executor (0.12.1) meets an
    # empty partition, whose new columns it then misses
    changed = example.run(steps=example.steps("filter", min_words_length=20))
    assert phases_of(changed) == {**dict.fromkeys(STEPS, "Succeeded"), "load": "Cached"}
    rows = example.output().to_pylist()
    assert len(rows) == 5870
    assert sorted(row["text"] for row in rows) == expected(60, 20)


def with_probe(example):
    """The same pipeline, the probe in every container."""
    components = {c["metadata"]["name"]: c["spec"] for c in example.ns.get("fco")}
    pipeline = copy.deepcopy(example.pipeline)
    pipeline["metadata"]["name"] = "clean-text-probe"
    pipeline["spec"]["datasetName"] = "clean-text"
    for step in pipeline["spec"]["steps"]:
        component = step["component"]
        if "ref" in component:
            component = {"spec": components[component["ref"]["name"]]}
        step["component"] = {"spec": {**component["spec"], "image": PROBE}}
    return pipeline


def neutral(example, run, step):
    """A manifest's text, with the run's own id and cache keys taken out."""
    text = example.manifest(run, step).read_text()
    assert run["status"]["runID"] in text
    text = text.replace(run["status"]["runID"], "RUN")
    for found in json.loads(example.frozen(run)[1])["steps"]:
        text = text.replace(found["cacheKey"], f"KEY OF {found['name']}")
    return text


def test_the_probe_leaves_the_manifests_of_the_framework(example, first):
    real, _ = first
    probe = example.ns.run_to(with_probe(example))
    assert phases_of(probe) == dict.fromkeys(STEPS, "Succeeded")
    for step in LEAVE_MANIFESTS:
        text = neutral(example, real, step)
        assert "KEY OF load" in text  # the executor hands the first step's key on
        assert neutral(example, probe, step) == text
    for run in (real, probe):
        assert not example.manifest(run, "write").exists()
