"""How runs end, and what their status says."""
import json

from kit import phases_of, probe_step, steps_of


def test_linear_run_succeeds_with_one_job_a_step(ns):
    run = ns.run_to(ns.linear("p", {}, {}, {}))
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Succeeded", "s3": "Succeeded"}
    assert run["status"]["progress"] == "3/3"
    jobs = ns.get("jobs", selector=f"fondant.ai/run={run['metadata']['name']}")
    assert sorted(j["metadata"]["labels"]["fondant.ai/step"] for j in jobs) == ["s1", "s2", "s3"]
    manifest = ns.data / "artifacts/p" / run["status"]["runID"] / "s3/manifest.json"
    assert json.loads(manifest.read_text())["metadata"]["component_id"] == "s3"


def test_kubectl_shows_and_waits(ns):
    ns.apply(ns.linear("p", {}, {}))
    ns.kubectl("wait", "--for=condition=Succeeded", "fpl/p", "--timeout=240s")
    table = ns.kubectl("get", "fpl").stdout.split("\n")
    assert table[0].split() == ["NAME", "READY", "REASON", "RUN", "PHASE", "PROGRESS", "FROZEN",
                                "SUSPEND", "NEXT", "AGE"]
    assert "True" in table[1] and "Compiled" in table[1] and "2/2" in table[1]
    assert "Succeeded" in ns.kubectl("get", "frun").stdout
    described = ns.wait("events", lambda: (lambda text: text if "Succeeded" in text.split("Events")[-1]
                                           else None)(ns.kubectl("describe", "frun").stdout))
    assert "Started" in described


def test_failing_step_says_why_and_skips_the_rest(ns):
    run = ns.run_to(ns.linear("p", {}, {"fail": 3, "stderr": "no such table: docs"}, {}), "Failed")
    steps = steps_of(run)
    assert steps["s2"]["phase"] == "Failed" and steps["s2"]["exitCode"] == 3
    assert "exit code 3" in steps["s2"]["message"]
    assert "no such table: docs" in steps["s2"]["message"]
    assert steps["s3"]["phase"] == "Skipped"
    conditions = {c["type"]: c for c in run["status"]["conditions"]}
    assert conditions["Stalled"]["status"] == "True"
    assert 's2' in conditions["Succeeded"]["message"]
    pipeline = ns.wait("the pipeline's Finished", lambda: (
        lambda p: p if {c["type"]: c["status"] for c in p["status"]["conditions"]}.get("Finished")
        == "True" else None)(ns.get("fpl", "p")))
    assert {c["type"]: c["status"] for c in pipeline["status"]["conditions"]}["Ready"] == "True"


def test_out_of_memory(ns):
    run = ns.run_to(ns.linear("p", {"eat_mb": 200, "step": {
        "resources": {"limits": {"memory": "32Mi"}}}}), "Failed")
    assert steps_of(run)["s1"]["reason"] == "OOMKilled"


def test_missing_image_fails_after_its_pending_timeout(ns):
    pipeline = ns.linear("p", {"step": {"pendingTimeout": "5s"}})
    pipeline["spec"]["steps"][0]["component"]["spec"]["image"] = "registry.lab/nowhere:1"
    run = ns.run_to(pipeline, "Failed")
    step = steps_of(run)["s1"]
    assert step["reason"] in ("ImagePullBackOff", "ErrImagePull"), step


def test_unschedulable_step_waits_visibly(ns):
    ns.apply(ns.linear("p", {"step": {"resources": {"requests": {"cpu": "400"}}}}))
    run = ns.latest("p")

    def pending():
        step = steps_of(ns.get("frun", run)) if ns.get("frun", run)["status"].get("steps") else {}
        return step.get("s1") if step.get("s1", {}).get("reason") == "Unschedulable" else None
    step = ns.wait("Unschedulable", pending)
    assert step["phase"] == "Pending" and "0/1 nodes" in step["message"]
    ns.patch("frun", run, {"spec": {"desiredState": "Cancelled"}})
    ns.finished(run, "Cancelled")
    ns.wait("no pod left", lambda: not ns.get("pods"))


def test_retry_writes_to_a_folder_of_its_own(ns):
    run = ns.run_to(ns.linear("p", {}, {"fail_attempts": 1, "step": {
        "retry": {"limit": 2, "backoff": {"initial": "1s"}}}}, {}))
    steps = steps_of(run)
    assert steps["s2"]["phase"] == "Succeeded" and steps["s2"]["attempts"] == 2
    root = ns.data / "artifacts/p"
    assert (root / f"{run['status']['runID']}-a2/s2/manifest.json").exists()
    jobs = ns.get("jobs", selector="fondant.ai/step=s2")
    assert len(jobs) == 2


def test_branches_run_side_by_side_and_join_in_order(ns):
    steps = [probe_step("load", produces=["a"]),
             probe_step("left", consumes=["a"], arguments={"sleep": 3}, **{"from": ["load"]}),
             probe_step("right", consumes=["a"], arguments={"sleep": 3}, **{"from": ["load"]}),
             probe_step("last", consumes=["a"], dependsOn=["right"], **{"from": ["left"]})]
    run = ns.run_to(ns.pipeline("p", steps))
    found = steps_of(run)
    assert found["left"]["startTime"] < found["right"]["completionTime"]
    assert found["right"]["startTime"] < found["left"]["completionTime"]
    assert found["last"]["startTime"] >= found["right"]["completionTime"]


def test_cancelled_run_leaves_no_pod(ns):
    ns.apply(ns.linear("p", {}, {"sleep": 600}))
    run = ns.latest("p")
    ns.wait("s2 to run", lambda: [p for p in ns.get("pods", selector="fondant.ai/step=s2")
                                  if p["status"]["phase"] == "Running"])
    ns.patch("frun", run, {"spec": {"desiredState": "Cancelled"}})
    found = ns.finished(run, "Cancelled")
    assert phases_of(found) == {"s1": "Succeeded", "s2": "Cancelled"}
    ns.wait("no running pod", lambda: not ns.get("pods", selector="fondant.ai/step=s2"))


def test_an_orphans_job_goes_on(ns):
    ns.apply(ns.linear("p", {}, {"sleep": 600}, deletionPolicy="Orphan"))
    run = ns.latest("p")
    running = lambda: [p for p in ns.get("pods", selector="fondant.ai/step=s2")
                       if p["status"]["phase"] == "Running"]
    ns.wait("s2 to run", running)
    ns.kubectl("delete", "fpl", "p", "--wait")
    ns.wait("the run to go", lambda: not ns.get("frun", run))
    # the collector takes what has the run for an owner, and that only
    ns.wait("s1 to go", lambda: not ns.get("jobs", selector="fondant.ai/step=s1"))
    [job] = ns.get("jobs", selector="fondant.ai/step=s2")
    assert not job["metadata"].get("ownerReferences") and running()


def test_step_timeout(ns):
    run = ns.run_to(ns.linear("p", {"sleep": 600, "step": {"timeout": "3s"}}), "Failed")
    assert steps_of(run)["s1"]["reason"] == "Timeout"


def test_false_arrives_as_false_and_dollars_arrive(ns):
    steps = [probe_step("s1", produces=["a"], arguments={
        "write": False, "note": "$$(HOME) $HOME it's \"ü\" -x", "print": "-dash"})]
    run = ns.run_to(ns.pipeline("p", steps))
    log = ns.kubectl("logs", "-l", "fondant.ai/step=s1", "--tail=-1").stdout
    assert "-dash" in log
    assert (ns.data / "artifacts/p" / run["status"]["runID"] / "s1/manifest.json").exists()
    pod = ns.get("pods", selector="fondant.ai/step=s1")[0]["spec"]["containers"][0]["args"]
    assert "$$(HOME) $$HOME it's \"ü\" -x" in pod  # the kubelet undoes the doubling
