"""What must not hurt: a killed controller, a restarted API server, an upgrade."""
import os
import random
import signal
from pathlib import Path

from kit import helm_install, phases_of

KILLS = 30


def controller_pids(cluster):
    """The controller's processes in this cluster's containers, by their control group."""
    pods = [p["metadata"]["uid"] for p in cluster.get("pods", ns="fondant-system")]
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            exe = (proc / "cmdline").read_bytes().split(b"\0")[0]
            groups = (proc / "cgroup").read_text()
        except OSError:
            continue
        if exe.endswith(b"fondant-controller") and any(uid in groups for uid in pods):
            found.append(int(proc.name))
    return found


def replace_controller(cluster):
    """SIGKILL, then the pod is deleted so that its successor starts without a crash back-off."""
    before = {p["metadata"]["uid"] for p in cluster.get("pods", ns="fondant-system")}
    for pid in controller_pids(cluster):
        os.kill(pid, signal.SIGKILL)
    cluster.kubectl("-n", "fondant-system", "delete", "pod", "--all", "--grace-period=0",
                    "--force", "--wait=false")

    def started():
        pods = cluster.get("pods", ns="fondant-system")
        return [p for p in pods if p["metadata"]["uid"] not in before
                and p["status"]["phase"] == "Running"]
    cluster.wait("a new controller", started)


def test_controller_killed_at_random_moments(ns, operator):
    random.seed(20261123)
    runs = []
    pipelines = [f"p{i}" for i in range(6)]
    for i, name in enumerate(pipelines):
        ns.apply(ns.linear(name, *[{"sleep": random.choice([0, 0.5, 1, 2, 4])} for _ in range(6)]))
    for kill in range(KILLS):
        # a random moment: after some random number of further Jobs, or at once
        target = len(ns.get("jobs")) + random.randrange(2)
        done = lambda: len(ns.get("jobs")) >= target or all(
            r.get("status", {}).get("phase") == "Succeeded" for r in ns.get("frun"))
        ns.wait("progress", done)
        replace_controller(operator)
        if all(r.get("status", {}).get("phase") == "Succeeded" for r in ns.get("frun")):
            for name in pipelines:
                spec = ns.linear(name, *[{"sleep": random.choice([0, 0.5, 1, 2, 4]), "rows": kill}
                                         for _ in range(6)], successfulRunsHistoryLimit=30)
                ns.apply(spec)
    for name in pipelines:
        ns.wait(f"{name} to finish", lambda: (lambda status: status.get("observedGeneration")
                == ns.get("fpl", name)["metadata"]["generation"]
                and status.get("latestRun", {}).get("phase") in ("Succeeded", "Failed"))(
                    ns.get("fpl", name).get("status", {})))
    runs = ns.get("frun")
    assert len(runs) >= len(pipelines)
    for run in runs:
        assert run["status"]["phase"] == "Succeeded", run["status"]
        jobs = ns.get("jobs", selector=f"fondant.ai/run={run['metadata']['name']}")
        steps = [j["metadata"]["labels"]["fondant.ai/step"] for j in jobs]
        executed = [s for s, phase in phases_of(run).items() if phase == "Succeeded"]
        assert sorted(steps) == sorted(executed), run["status"]["steps"]
        assert all("attempts" not in s for s in run["status"]["steps"])


def test_api_server_restarted_mid_run(ns, operator):
    ns.apply(ns.linear("p", {}, {"sleep": 5}, {}))
    run = ns.latest("p")
    operator.control("restart", operator.name, "apiserver")
    found = ns.finished(run)
    assert set(phases_of(found).values()) == {"Succeeded"}
    assert len(ns.get("jobs")) == 3


def test_upgrade_with_another_format_runs_nothing(ns, operator):
    run = ns.run_to(ns.linear("p", {}))["metadata"]["name"]
    helm_install(operator, operator.operator_image, "--set",
                 "extraArgs={--compiler-format=999}")
    try:
        ns.wait("outdated", lambda: ns.get("fpl", "p")["status"]["frozen"]["outdated"])
        assert ns.quiet("p") == [run]
        ns.patch("fpl", "p", {"status": None}, subresource="status")
        assert ns.quiet("p") == [run]
        edited = ns.run_to(ns.linear("p", {"rows": 1}), not_run=run)
        assert edited["metadata"]["name"] != run
    finally:
        helm_install(operator, operator.operator_image)


def test_sigterm_exits_zero(ns, operator):
    pod = operator.get("pods", ns="fondant-system")[0]["metadata"]["name"]
    os.kill(controller_pids(operator)[0], signal.SIGTERM)

    def ended():
        found = operator.get("pods", pod, ns="fondant-system")
        state = found["status"]["containerStatuses"][0]
        return state.get("lastState", {}).get("terminated") or state["state"].get("terminated")
    assert operator.wait("the controller's end", ended)["exitCode"] == 0
    ns.run_to(ns.linear("p", {}))


def test_uses_only_its_role(operator):
    log = operator.kubectl("logs", "-n", "fondant-system", "deploy/fondant-operator",
                           "--tail=-1").stdout
    assert "Forbidden" not in log and "err.reason=Forbidden" not in log
