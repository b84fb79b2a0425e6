"""What the tests in Python share: a local cluster, a namespace of it, pipelines of the probe."""
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = str(ROOT / "tests/localcluster/cluster")
WAIT_SECONDS = 240


class Failed(AssertionError):
    pass


def wait_until(probe, seconds, late, period=0.05):
    """Polls until probe() is true; its last answer is the result. late() says what failed."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(late())
        time.sleep(period)  # the poll's period, not a wait for a result


def free_port():
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def in_network(namespace, *argv):
    """A command that runs in a network namespace of `ip netns`; None: where we are."""
    return [*(["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []), *map(str, argv)]


@contextlib.contextmanager
def moto_server(log_path, script=None, namespace=None, address="127.0.0.1", **environment):
    """AWS as moto plays it (tests/deps s3), or a script that adds to it, on a port of its own: its
    URL. namespace: the network namespace that has the address."""
    port = free_port()
    url = f"http://{address}:{port}"
    python = ROOT / ".cache/s3-venv/bin/python"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            in_network(namespace, python, *([script] if script else ["-m", "moto.server"]), "-H",
                       address, "-p", port), stdout=log, stderr=log, env={**os.environ, **environment})

    def answers():
        assert process.poll() is None, "moto ended"
        return subprocess.run(in_network(namespace, python, "-c", ASK, url + "/moto-api/"),
                              stderr=subprocess.DEVNULL).returncode == 0
    try:
        wait_until(answers, 60, lambda: f"{url} does not answer", period=0.3)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


# Ends well when there is an answer, of whatever status.
ASK = """
import sys, urllib.error, urllib.request
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=5).read()
except urllib.error.HTTPError:
    pass
"""


class Cluster:
    """One local cluster; every command runs inside its namespaces."""

    def __init__(self, name, *flags):
        self.name = name
        self.env = {**os.environ, "LOCALCLUSTER_REGISTRY_DIR": str(ROOT / ".cache/registry")}
        self.up_flags = flags

    def up(self):
        self.control("down", self.name)
        self.control("up", self.name, *self.up_flags)

    def down(self):
        self.control("down", self.name)

    def control(self, *args):
        done = subprocess.run([CLUSTER, *args], capture_output=True, text=True, env=self.env,
                              timeout=600)
        if done.returncode:
            raise Failed(f"cluster {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def exec(self, *argv, stdin=None, check=True, timeout=300):
        done = subprocess.run([CLUSTER, "exec", self.name, "--", *argv], input=stdin,
                              capture_output=True, text=True, env=self.env, timeout=timeout)
        if check and done.returncode:
            raise Failed(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def kubectl(self, *args, stdin=None, check=True):
        return self.exec("kubectl", *args, stdin=stdin, check=check)

    def apply(self, *objects, ns=None):
        # JSON: kubectl reads YAML 1.1, in which a step called y would be a boolean
        text = "---\n".join(o if isinstance(o, str) else json.dumps(o) + "\n" for o in objects)
        return self.kubectl("apply", *(["-n", ns] if ns else []), "-f", "-", stdin=text)

    def get(self, kind, name=None, ns="default", selector=None):
        """One object (None when it is not there), or the list of all."""
        args = ["get", kind, *([name] if name else []), "-n", ns, "-o", "json",
                *(["-l", selector] if selector else [])]
        done = self.kubectl(*args, check=False)
        if done.returncode:
            if "NotFound" in done.stderr:
                return None
            raise Failed(done.stderr)
        found = json.loads(done.stdout)
        return found if name else found["items"]

    def wait(self, what, probe, seconds=WAIT_SECONDS):
        """Polls until probe() is true; its last answer is the result."""
        return wait_until(probe, seconds, lambda: f"still waiting for {what} after {seconds} s\n"
                                                  f"{self.describe()}", period=0.2)

    def describe(self):
        parts = []
        for args in (["get", "fpl,frun,jobs,pods", "-A", "-o", "wide"],
                     ["get", "frun", "-A", "-o", "yaml"],
                     ["logs", "-n", "fondant-system", "deploy/fondant-operator", "--tail=60"]):
            done = self.kubectl(*args, check=False)
            parts.append((done.stdout + done.stderr)[-6000:])
        return "\n".join(parts)


# The cluster's registry as pods see it.
REGISTRY = "10.244.0.1:5200"
REGISTRIES = {"mirrors": {host: [REGISTRY] for host in ("docker.io", "registry.example",
                                                        "registry.lab")},
              "insecure": [f"http://{REGISTRY}"]}


def helm_install(cluster, image, *extra):
    repository, tag = image.rsplit(":", 1)
    cluster.exec("helm", "upgrade", "--install", "fondant", str(ROOT / "helm/fondant-operator"),
                 "--namespace", "fondant-system", "--create-namespace", "--wait",
                 "--set", "fullnameOverride=fondant-operator",
                 "--set", f"image.repository={repository}", "--set", f"image.tag={tag}",
                 "--set", "image.pullPolicy=Never",
                 "--set-json", f"registries={json.dumps(REGISTRIES)}", *extra)


PROBE = "registry.lab/probe:1"
ARGS = {"sleep": "float", "fail": "int", "fail_attempts": "int", "eat_mb": "int", "print": "str",
        "stderr": "str", "rows": "int", "write": "bool", "note": "str"}
numbers = itertools.count(1)


def probe_component(consumes=None, produces=None):
    spec = {"name": "Probe", "description": "A probe.", "image": PROBE,
            "args": {name: {"type": kind, "default": "None"} for name, kind in ARGS.items()}}
    if consumes:
        spec["consumes"] = {name: {"type": "string"} for name in consumes}
    if produces:
        spec["produces"] = {name: {"type": "string"} for name in produces}
    return spec


def probe_step(name, consumes=None, produces=None, arguments=None, **more):
    return {"name": name, "component": {"spec": probe_component(consumes, produces)},
            **({"arguments": arguments} if arguments else {}), **more}


class Namespace:
    """A namespace of the cluster, with a host folder that its pipelines see as /data."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.name = f"t{next(numbers)}"
        self.data = ROOT / ".cache/e2e-data" / f"{cluster.name}-{self.name}"
        self.data.mkdir(parents=True)

    def kubectl(self, *args, **more):
        return self.cluster.kubectl("-n", self.name, *args, **more)

    def pipeline(self, name, steps, **spec):
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name},
                "spec": {"workingDirectory": "/data/artifacts", "podTemplate": {"spec": {
                    "volumes": [{"name": "data", "hostPath": {"path": str(self.data)}}],
                    "containers": [{"name": "main", "volumeMounts": [
                        {"name": "data", "mountPath": "/data"}]}]}},
                    "steps": steps, **spec}}

    def linear(self, name, *arguments, **spec):
        """load -> middle... -> last, one step for each dict of arguments."""
        steps = []
        for i, given in enumerate(arguments):
            given = dict(given)
            step_name = given.pop("name", f"s{i + 1}")
            extra = given.pop("step", {})
            steps.append(probe_step(step_name, consumes=["a"] if i else None,
                                    produces=None if i else ["a"], arguments=given, **extra))
        return self.pipeline(name, steps, **spec)

    def condition(self, kind, name):
        """Its Ready; one that it does not have yet is Unknown."""
        found = self.get(kind, name) or {}
        return next((c for c in found.get("status", {}).get("conditions", [])
                     if c["type"] == "Ready"), {"status": "Unknown", "reason": "", "message": ""})

    def ready(self):
        self.wait("the backend", lambda: self.condition("fbe", "default")["status"] == "True")

    def unready(self):
        """What it says when it is not."""
        return self.wait("the backend to be unready", lambda: (
            lambda c: c["status"] == "False" and c)(self.condition("fbe", "default")))

    def remove(self):
        """With what its runs have outside the cluster."""
        self.kubectl("delete", "fpl,frun", "--all", "--wait")
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")
        shutil.rmtree(self.data, ignore_errors=True)

    def apply(self, *objects):
        return self.cluster.apply(*objects, ns=self.name)

    def create(self, body):
        """For what is too large for apply's annotation."""
        return self.kubectl("create", "-f", "-", stdin=json.dumps(body))

    def get(self, kind, name=None, selector=None):
        return self.cluster.get(kind, name, self.name, selector)

    def patch(self, kind, name, patch, subresource=None):
        return self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch),
                            *([f"--subresource={subresource}"] if subresource else []))

    def wait(self, what, probe, **more):
        return self.cluster.wait(f"{what} in {self.name}", probe, **more)

    def latest(self, pipeline, generation=None, not_run=None):
        """The run that the pipeline's status names once it looked at this generation."""
        def probe():
            status = self.get("fpl", pipeline).get("status", {})
            run = status.get("latestRun", {}).get("name")
            if not run or run == not_run:
                return None
            if generation and status.get("observedGeneration") != generation:
                return None
            return run
        return self.wait(f"a run of {pipeline}", probe)

    def finished(self, run, phase="Succeeded"):
        def probe():
            found = self.get("frun", run)
            now = found.get("status", {}).get("phase")
            return found if now in ("Succeeded", "Failed", "Cancelled") else None
        found = self.wait(f"the end of {run}", probe)
        assert found["status"]["phase"] == phase, json.dumps(found["status"], indent=1)
        return found

    def run_to(self, pipeline, phase="Succeeded", not_run=None):
        """Applies a pipeline and waits for the end of the run it triggers."""
        self.apply(pipeline)
        name = pipeline["metadata"]["name"]
        generation = self.get("fpl", name)["metadata"]["generation"]
        return self.finished(self.latest(name, generation, not_run), phase)

    def quiet(self, pipeline):
        """The controller has looked at everything: a later change of another pipeline is through."""
        name = f"fence-{next(numbers)}"
        self.run_to(self.linear(name, {}))
        self.kubectl("delete", "fpl", name, "--wait")
        return [r["metadata"]["name"] for r in self.get("frun")
                if r["metadata"]["labels"].get("fondant.ai/pipeline") == pipeline]


def steps_of(run):
    return {step["name"]: step for step in run["status"]["steps"]}


def phases_of(run):
    return {step["name"]: step["phase"] for step in run["status"]["steps"]}
