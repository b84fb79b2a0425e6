"""What starts a run, and what never does; the cache; history; deletion."""
import json

from kit import phases_of, steps_of


def generation(ns, name="p"):
    return ns.get("fpl", name)["metadata"]["generation"]


def names(runs):
    return sorted(r["metadata"]["name"] for r in runs)


def test_rerun_is_all_cached_and_starts_no_pod(ns):
    first = ns.run_to(ns.linear("p", {}, {}, {}))
    pods = {p["metadata"]["uid"] for p in ns.get("pods")}
    again = ns.run_to(ns.linear("p", {}, {}, {}, triggers={"rerunToken": "1"}),
                      not_run=first["metadata"]["name"])
    assert set(phases_of(again).values()) == {"Cached"}
    assert {p["metadata"]["uid"] for p in ns.get("pods")} == pods
    cached = steps_of(again)["s2"]["cachedFrom"]
    assert cached == f"{first['status']['runID']}/s2"


def test_changed_argument_reruns_from_that_step_on(ns):
    first = ns.run_to(ns.linear("p", {}, {"rows": 1}, {}))
    second = ns.run_to(ns.linear("p", {}, {"rows": 2}, {}), not_run=first["metadata"]["name"])
    assert phases_of(second) == {"s1": "Cached", "s2": "Succeeded", "s3": "Succeeded"}


def test_revert_runs_again_mostly_cached(ns):
    a = ns.run_to(ns.linear("p", {}, {"rows": 1}))
    b = ns.run_to(ns.linear("p", {}, {"rows": 2}), not_run=a["metadata"]["name"])
    c = ns.run_to(ns.linear("p", {}, {"rows": 1}), not_run=b["metadata"]["name"])
    assert c["metadata"]["name"] not in (a["metadata"]["name"], b["metadata"]["name"])
    assert set(phases_of(c).values()) == {"Cached"}
    assert c["status"]["frozenSpec"]["name"] == a["status"]["frozenSpec"]["name"]


def test_cache_policies(ns):
    first = ns.run_to(ns.linear("p", {}, {}))
    refresh = ns.run_to(ns.linear("p", {"step": {"cache": {"policy": "Refresh"}}}, {}),
                        not_run=first["metadata"]["name"])
    # a step that really ran again makes everything below run again
    assert phases_of(refresh) == {"s1": "Succeeded", "s2": "Succeeded"}
    third = ns.run_to(ns.linear("p", {}, {}), not_run=refresh["metadata"]["name"])
    assert phases_of(third) == {"s1": "Cached", "s2": "Cached"}
    assert steps_of(third)["s1"]["cachedFrom"].startswith(refresh["status"]["runID"])


def test_edit_while_running_lets_the_run_keep_its_spec(ns):
    ns.apply(ns.linear("p", {"sleep": 4}, {"rows": 1}))
    first = ns.latest("p")
    ns.apply(ns.linear("p", {"sleep": 4}, {"rows": 2}))
    ns.wait("the new generation to be frozen", lambda: ns.get("fpl", "p")["status"].get(
        "observedGeneration") == 2)
    assert names(ns.get("frun")) == [first]
    done = ns.finished(first)
    second = ns.finished(ns.latest("p", 2, not_run=first))
    assert done["status"]["frozenSpec"]["hash"] != second["status"]["frozenSpec"]["hash"]
    assert phases_of(second) == {"s1": "Cached", "s2": "Succeeded"}


def test_nothing_but_a_trigger_starts_a_run(ns):
    pipeline = ns.linear("p", {}, {})
    run = ns.run_to(pipeline)["metadata"]["name"]
    pipeline["spec"].update(description="now described", successfulRunsHistoryLimit=2)
    pipeline["metadata"]["labels"] = {"team": "data"}
    ns.apply(pipeline)
    assert ns.quiet("p") == [run]
    ns.patch("fpl", "p", {"status": None}, subresource="status")
    ns.wait("a new status", lambda: ns.get("fpl", "p").get("status", {}).get("observedGeneration"))
    assert ns.quiet("p") == [run]
    ns.kubectl("delete", "frun", run, "--wait")
    assert ns.quiet("p") == []
    ns.patch("fpl", "p", {"status": None}, subresource="status")
    assert ns.quiet("p") == []


def test_suspend_and_resume(ns):
    run = ns.run_to(ns.linear("p", {}))["metadata"]["name"]
    ns.apply(ns.linear("p", {"rows": 5}, suspend=True))
    assert ns.quiet("p") == [run]
    resumed = ns.run_to(ns.linear("p", {"rows": 5}, suspend=False), not_run=run)
    assert phases_of(resumed) == {"s1": "Succeeded"}


def test_on_change_never_runs_only_by_token(ns):
    ns.apply(ns.linear("p", {}, triggers={"onChange": "Never"}))
    assert ns.quiet("p") == []
    ns.run_to(ns.linear("p", {}, triggers={"onChange": "Never", "rerunToken": "now"}))


def test_history_limits(ns):
    last = None
    for rows in range(4):
        last = ns.run_to(ns.linear("p", {"rows": rows}, successfulRunsHistoryLimit=2),
                         not_run=last)["metadata"]["name"]
    ns.wait("pruning", lambda: len(ns.get("frun")) == 2)
    assert last in names(ns.get("frun"))
    cached = ns.run_to(ns.linear("p", {"rows": 0}, successfulRunsHistoryLimit=2), not_run=last)
    assert phases_of(cached) == {"s1": "Cached"}  # pruning never empties the cache


def test_manual_run_waits_its_turn(ns):
    ns.apply(ns.linear("p", {"sleep": 3}))
    first = ns.latest("p")
    ns.apply({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantRun",
              "metadata": {"name": "mine"}, "spec": {"pipelineRef": {"name": "p"}}})
    ns.wait("mine to queue", lambda: ns.get("frun", "mine").get("status", {}).get("phase")
            == "Queued")
    ns.finished(first)
    mine = ns.finished("mine")
    assert mine["status"]["startTime"] >= ns.get("frun", first)["status"]["completionTime"]


def test_component_by_reference_is_waited_for(ns):
    pipeline = ns.linear("p", {})
    component = pipeline["spec"]["steps"][0]["component"].pop("spec")
    pipeline["spec"]["steps"][0]["component"]["ref"] = {"name": "source"}
    ns.apply(pipeline)
    ns.wait("ComponentNotFound", lambda: {
        c["type"]: c["reason"] for c in ns.get("fpl", "p").get("status", {}).get("conditions", [])
    }.get("Reconciling") == "ComponentNotFound")
    ns.apply({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantComponent",
              "metadata": {"name": "source"}, "spec": component})
    run = ns.finished(ns.latest("p"))["metadata"]["name"]
    component["description"] = "edited"
    ns.apply({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantComponent",
              "metadata": {"name": "source"}, "spec": component})
    ns.wait("outdated", lambda: ns.get("fpl", "p")["status"]["frozen"]["outdated"])
    assert ns.quiet("p") == [run]


def test_invalid_pipeline_stalls_with_every_error_and_creates_nothing(ns):
    pipeline = ns.linear("p", {"rows": 1}, {"rows": 2}, {})
    pipeline["spec"]["steps"][0]["arguments"]["rows"] = "many"
    pipeline["spec"]["steps"][1]["arguments"]["rowz"] = 3
    pipeline["spec"]["steps"][2]["from"] = ["nobody"]
    ns.apply(pipeline)
    stalled = ns.wait("Stalled", lambda: {
        c["type"]: c for c in ns.get("fpl", "p").get("status", {}).get("conditions", [])
    }.get("Stalled"))
    assert stalled["status"] == "True"
    for text in ("spec.steps[0].arguments.rows", "spec.steps[1].arguments.rowz",
                 "spec.steps[2].from[0]", "nobody"):
        assert text in stalled["message"], stalled["message"]
    assert ns.get("frun") == [] and ns.get("jobs") == []
    assert [m for m in ns.get("configmaps") if m["metadata"]["name"] != "kube-root-ca.crt"] == []
    ns.run_to(ns.linear("p", {"rows": 1}))
    types = {c["type"] for c in ns.get("fpl", "p")["status"]["conditions"]}
    assert "Stalled" not in types


def test_later_fields_are_refused_not_ignored(ns):
    ns.apply(ns.linear("p", {}, concurrencyPolicy="Replace"))
    stalled = ns.wait("Stalled", lambda: {
        c["type"]: c for c in ns.get("fpl", "p").get("status", {}).get("conditions", [])
    }.get("Stalled"))
    assert stalled["reason"] == "NotYetSupported"
    assert "spec.concurrencyPolicy" in stalled["message"]


def test_deletion_leaves_nothing(ns):
    ns.apply(ns.linear("p", {}, {"sleep": 600}))
    ns.latest("p")
    ns.wait("s2 to run", lambda: [p for p in ns.get("pods", selector="fondant.ai/step=s2")
                                  if p["status"]["phase"] == "Running"])
    ns.kubectl("delete", "fpl", "p")

    def left():
        found = [o for kind in ("frun", "jobs", "pods") for o in ns.get(kind)]
        maps = [m for m in ns.get("configmaps") if m["metadata"]["name"] != "kube-root-ca.crt"]
        return found + maps
    ns.wait("nothing left", lambda: not left())


def test_same_name_again_meets_no_old_data(ns):
    first = ns.run_to(ns.linear("p", {}, {}))
    ns.kubectl("delete", "fpl", "p", "--wait")
    ns.wait("its children to go", lambda: not ns.get("frun") and not ns.get("jobs"))
    second = ns.run_to(ns.linear("p", {}, {}))
    assert second["status"]["runID"] != first["status"]["runID"]
    manifest = ns.data / "artifacts/p" / second["status"]["runID"] / "s2/manifest.json"
    assert json.loads(manifest.read_text())["metadata"]["run_id"] == second["status"]["runID"]
