"""Bad input gets a clear message, and another pipeline is not delayed by it."""
import json

from kit import phases_of, probe_step


def stalled(ns, name):
    return ns.wait("Stalled", lambda: {
        c["type"]: c for c in ns.get("fpl", name).get("status", {}).get("conditions", [])
    }.get("Stalled"))


def test_spec_too_large(ns):
    steps = [probe_step(f"s{i}", consumes=["a"] if i else None, produces=None if i else ["a"],
                        arguments={"note": "x" * 120_000}) for i in range(9)]
    ns.create(ns.pipeline("large", steps))
    ns.run_to(ns.linear("p", {}))
    condition = stalled(ns, "large")
    assert condition["reason"] == "SpecTooLarge"
    assert "1000" in condition["message"] or "KiB" in condition["message"], condition["message"]
    assert ns.get("frun", selector="fondant.ai/pipeline=large") == []


def test_cycle_and_unknown_step(ns):
    steps = [probe_step("load", produces=["a"]),
             probe_step("x", consumes=["a"], **{"from": ["load"], "dependsOn": ["y"]}),
             probe_step("y", consumes=["a"], **{"from": ["load"], "dependsOn": ["x"]}),
             probe_step("z", consumes=["a"], **{"from": ["laod"]})]
    ns.apply(ns.pipeline("p", steps))
    message = stalled(ns, "p")["message"]
    assert "steps wait for each other: x -> y -> x" in message
    assert "spec.steps[3].from[0]" in message and "load" in message


def test_hostile_strings_arrive_as_they_are_or_are_refused(ns):
    hostile = ["'; rm -rf / #", "\u202egnp.exe", "{{.Values}} ${x} `id`", "a\tb\nc", "\U0001f4a9" * 50,
               "../../../etc/passwd", "%s%n%x", "<script>alert(1)</script>"]
    steps = [probe_step("s0", produces=["a"], arguments={"note": " ".join(hostile)})]
    run = ns.run_to(ns.pipeline("p", steps))
    args = ns.get("pods", selector="fondant.ai/step=s0")[0]["spec"]["containers"][0]["args"]
    sent = args[args.index("--note") + 1]
    assert sent.replace("$$", "$") == " ".join(hostile)
    assert phases_of(run) == {"s0": "Succeeded"}
    wrong = ns.pipeline("q", [probe_step("s0", produces=["a"], arguments={h: 1 for h in hostile})],
                        workingDirectory="/data/../etc")
    ns.apply(wrong)
    message = stalled(ns, "q")["message"]
    assert "spec.workingDirectory" in message and "spec.steps[0].arguments" in message
    refused = ns.kubectl("apply", "-f", "-", stdin=json.dumps(ns.linear("r", {}, datasetName="../x")),
                         check=False)
    assert refused.returncode and "spec.datasetName" in refused.stderr


def test_a_job_that_the_api_server_refuses_fails_its_step(ns):
    run = ns.run_to(ns.linear("p", {"step": {"podTemplate": {"spec": {
        "tolerations": [{"key": "a", "operator": "Sometimes"}]}}}}, {}), "Failed")
    step = run["status"]["steps"][0]
    assert step["phase"] == "Failed" and "tolerations" in step["message"]
    assert run["status"]["steps"][1]["phase"] == "Skipped"
    assert ns.get("jobs") == []


def test_pod_security_refusal_is_shown(ns):
    ns.cluster.kubectl("label", "namespace", ns.name,
                       "pod-security.kubernetes.io/enforce=restricted")
    ns.apply(ns.linear("p", {}))
    run = ns.latest("p")

    def shown():
        steps = ns.get("frun", run).get("status", {}).get("steps")
        return steps and "PodSecurity" in steps[0].get("message", "") and steps[0]
    step = ns.wait("FailedCreate", shown)
    assert step["phase"] == "Pending" and step["reason"] == "FailedCreate"
