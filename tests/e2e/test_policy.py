"""The policy of a FondantBackend: for pipelines, for runs of what was frozen before it, for frozen
specs that somebody made himself, and for how many run at once."""
import hashlib
import json

from kit import PROBE, phases_of


def backend(**policy):
    return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
            "metadata": {"name": "default"}, "spec": {"kubernetes": {}, "policy": policy}}


def ready(ns, name):
    found = ns.get("fpl", name)
    if found.get("status", {}).get("observedGeneration") != found["metadata"]["generation"]:
        return None
    return next(c for c in found["status"]["conditions"] if c["type"] == "Ready")


def run(name, **spec):
    return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantRun", "metadata": {"name": name},
            "spec": spec}


def denied(ns, name):
    found = ns.finished(name, "Failed")
    [condition] = [c for c in found["status"]["conditions"] if c["type"] == "Ready"]
    assert condition["reason"] == "PolicyDenied", condition
    assert not [j for j in ns.get("jobs") if j["metadata"]["labels"]["fondant.ai/run"] == name]
    return condition["message"]


def test_a_pipeline_that_is_denied_freezes_nothing(ns):
    ns.apply(backend(imagePrefixes=["fndnt/"], serviceAccountNames=["loader"],
                     podTemplate="Restricted", maxTimeout="1h"))
    pipeline = ns.linear("p", {}, {}, serviceAccountName="admin")  # on a hostPath
    ns.apply(pipeline)
    said = ns.wait("a verdict", lambda: ready(ns, "p"))
    assert said["status"] == "False" and "the policy of FondantBackend `default`" in said["message"]
    for path in ("spec.serviceAccountName", "spec.podTemplate.spec.volumes[0].hostPath",
                 "spec.timeout", "spec.steps[0].component", "spec.steps[1].component"):
        assert path + ":" in said["message"], said["message"]
    assert not ns.get("frun") and not ns.get("jobs")
    assert not ns.get("cm", selector="fondant.ai/frozen")
    ns.apply(backend(imagePrefixes=["registry.lab/"], podTemplate="Allow", maxTimeout="1h"))
    del pipeline["spec"]["serviceAccountName"]
    allowed = ns.run_to({**pipeline, "spec": {**pipeline["spec"], "timeout": "30m"}})
    assert set(phases_of(allowed).values()) == {"Succeeded"}


def test_a_policy_reaches_what_was_frozen_before(ns):
    first = ns.run_to(ns.linear("p", {}))
    frozen = first["status"]["frozenSpec"]["name"]
    ns.apply(backend(imagePrefixes=["fndnt/"]))
    ns.wait("the backend", lambda: ns.get("fbe", "default").get("status"))
    ns.apply(run("again", frozenSpecRef={"name": frozen}))
    assert PROBE.split(":")[0] in denied(ns, "again")


def test_a_frozen_spec_of_ones_own_is_judged_too(ns):
    first = ns.run_to(ns.linear("p", {}))
    text = ns.get("cm", first["status"]["frozenSpec"]["name"])["data"]["spec.json"]
    forged = json.loads(text)
    forged["podTemplate"]["spec"]["hostPID"] = True
    text = json.dumps(forged, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name = f"p-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    ns.apply(backend(podTemplate="Restricted"))
    ns.wait("the backend", lambda: ns.get("fbe", "default").get("status"))
    ns.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
              "data": {"spec.json": text}}, run("forged", frozenSpecRef={"name": name}))
    assert "podTemplate.spec.hostPID" in denied(ns, "forged")


def test_no_more_run_at_once_than_the_policy_allows(ns):
    ns.apply(backend(maxActiveRuns=1))
    for name in ("a", "b"):
        ns.apply(ns.linear(name, {"sleep": 6}))
    runs = {name: ns.latest(name) for name in ("a", "b")}

    def waits():
        found = [ns.get("frun", name) for name in runs.values()]
        return [r for r in found if r.get("status", {}).get("phase") == "Queued"]
    [waiting] = ns.wait("one of them to wait", waits)
    [condition] = [c for c in waiting["status"]["conditions"] if c["type"] == "Ready"]
    assert condition["reason"] == "BackendFull" and "maxActiveRuns" in condition["message"]
    ends = [ns.finished(name)["status"] for name in runs.values()]
    first, second = sorted(ends, key=lambda status: status["startTime"])
    assert second["startTime"] >= first["completionTime"]
