"""What bench/run measures the controller with: an API server without a node, the controller as a
process with the role it ships, counts of what it writes, and somebody who plays the kubelet."""
import base64
import http.client
import json
import os
import queue
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = str(ROOT / "tests/localcluster/cluster")
CONTROLLER = str(ROOT / "build/release/fondant-controller")
SYSTEM = "fondant-system"
WAIT_SECONDS = 300
MERGE = "application/merge-patch+json"


def wait(what, probe, seconds=WAIT_SECONDS, every=0.1):
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still waiting for {what} after {seconds} s")
        time.sleep(every)
    return answer


class Api:
    """The API server, as its administrator; a connection for each thread."""

    def __init__(self, config, work):
        server = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        self.ca = self.bytes_of(server, "certificate-authority")
        self.server = server["server"]
        self.host = urllib.parse.urlsplit(self.server).netloc
        self.tls = ssl.create_default_context(cadata=self.ca.decode())
        pair = work / "admin.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(self.bytes_of(user, "client-certificate") + b"\n"
                         + self.bytes_of(user, "client-key"))
        self.tls.load_cert_chain(pair)
        self.local = threading.local()

    @staticmethod
    def bytes_of(part, key):
        if f"{key}-data" in part:
            return base64.b64decode(part[f"{key}-data"])
        return Path(part[key]).read_bytes()

    def connect(self, timeout=60):
        return http.client.HTTPSConnection(self.host, context=self.tls, timeout=timeout)

    def call(self, method, path, body=None, content_type="application/json", missing=False):
        """The answer as JSON, or as text where it is none; None when missing and not found."""
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect()
        connection = self.local.connection
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": content_type})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status == 404 and missing:
            return None
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:400].decode()}")
        return json.loads(data) if data[:1] == b"{" else data.decode()

    def watch(self, path, found, stopped):
        """Calls found(type, object, when) for what is there and what comes, in a thread."""
        def follow():
            connection = self.connect(timeout=3600)
            connection.request("GET", f"{path}?watch=true&timeoutSeconds=3000")
            answer = connection.getresponse()
            while not stopped.is_set() and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    found(event["type"], event["object"], time.monotonic())
            connection.close()
        threading.Thread(target=follow, daemon=True).start()


class Writes:
    """How often the controller wrote each kind, as the API server counted it.

    Its metrics do not say who asked, but priority and fairness count by flow schema, and a schema
    may be of one user, some verbs and one kind.
    """
    KINDS = {"configmaps": ("", ["configmaps"]), "jobs": ("batch", ["jobs"]),
             "runs": ("fondant.ai", ["fondantruns"]),
             "run-status": ("fondant.ai", ["fondantruns/status"]),
             "pipeline-status": ("fondant.ai", ["fondantpipelines/status"]),
             "events": ("events.k8s.io", ["events"]), "other": ("*", ["*"])}
    FAMILY = "apiserver_flowcontrol_dispatched_requests_total"

    def __init__(self, api, account):
        self.api = api
        schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
        for order, (kind, (group, resources)) in enumerate(self.KINDS.items()):
            api.call("POST", schemas, {
                "metadata": {"name": f"bench-{kind}"},
                "spec": {"priorityLevelConfiguration": {"name": "workload-low"},
                         "matchingPrecedence": 100 + order, "rules": [{
                             "subjects": [{"kind": "ServiceAccount", "serviceAccount": {
                                 "name": account, "namespace": SYSTEM}}],
                             "resourceRules": [{
                                 "verbs": ["create", "update", "patch", "delete"],
                                 "apiGroups": [group], "resources": resources,
                                 "namespaces": ["*"], "clusterScope": True}]}]}})
        names = {f"bench-{kind}" for kind in self.KINDS}
        wait("flow schemas", lambda: names <= {
            item["metadata"]["name"] for item in api.call("GET", schemas)["items"]
            if item.get("status", {}).get("conditions")})

    def read(self):
        counts = dict.fromkeys(self.KINDS, 0)
        for line in self.api.call("GET", "/metrics").split("\n"):
            if line.startswith(self.FAMILY) and 'flow_schema="bench-' in line:
                kind = line.split('flow_schema="bench-')[1].split('"')[0]
                counts[kind] += int(float(line.rsplit(" ", 1)[1]))
        return counts

    def since(self, before):
        return {kind: count - before[kind] for kind, count in self.read().items()}


class Controller:
    """One process of it."""

    def __init__(self, kubeconfig, log):
        self.ready_at = None
        self.ready = threading.Event()
        self.started = time.monotonic()
        self.process = subprocess.Popen([CONTROLLER, "--kubeconfig", str(kubeconfig),
                                         # no network: only our own work is measured
                                         "--resolve-images=false"],
                                        stderr=subprocess.PIPE, text=True)
        self.log = log
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with open(self.log, "a", buffering=1) as log:
            for line in self.process.stderr:
                if self.ready_at is None and "ready: every collection is listed" in line:
                    self.ready_at = time.monotonic()
                    self.ready.set()
                log.write(line)
        self.ready.set()

    def wait_ready(self):
        """Milliseconds from its start until it has listed everything."""
        if not self.ready.wait(WAIT_SECONDS) or self.ready_at is None:
            raise RuntimeError(f"the controller did not get ready; see {self.log}")
        return (self.ready_at - self.started) * 1e3

    def memory(self):
        """KiB: resident, anonymous."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in text.strip().split("\n"))
        return tuple(int(fields[key].split()[0]) for key in ("VmRSS", "RssAnon"))

    def cpu_ms(self):
        """What it has used so far; the scheduler counts nanoseconds."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e6

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Kubelet:
    """Lets pods of a namespace run for some time and succeed; notes when, and when Jobs come.

    As a kubelet does it: a write when the container is created, when it runs, and when it ended.
    """

    def __init__(self, api, namespace, seconds):
        self.api, self.namespace, self.seconds = api, namespace, seconds
        self.due = queue.PriorityQueue()
        self.seen = set()
        self.stopped = threading.Event()
        self.done_at, self.job_at = {}, {}
        api.watch(f"/api/v1/namespaces/{namespace}/pods", self.pod, self.stopped)
        api.watch(f"/apis/batch/v1/namespaces/{namespace}/jobs", self.job, self.stopped)
        self.worker = threading.Thread(target=self.work, daemon=True)
        self.worker.start()

    @staticmethod
    def key(item):
        labels = item["metadata"].get("labels", {})
        return labels.get("fondant.ai/run"), labels.get("fondant.ai/step")

    def job(self, kind, job, when):
        if kind == "ADDED":
            self.job_at[self.key(job)] = when

    def pod(self, kind, pod, when):
        name, phase = pod["metadata"]["name"], pod.get("status", {}).get("phase")
        if phase == "Succeeded":
            if kind == "MODIFIED":  # not of an earlier run
                self.done_at.setdefault(self.key(pod), when)
        elif kind == "ADDED" and name not in self.seen:
            self.seen.add(name)
            self.due.put((when, name, "ContainerCreating"))

    def work(self):
        while not self.stopped.is_set():
            try:
                when, name, state = self.due.get(timeout=0.5)
            except queue.Empty:
                continue
            if self.stopped.wait(max(0, when - time.monotonic())):
                return
            self.report(name, state)
            if state == "ContainerCreating":
                self.due.put((when + self.seconds * 0.1, name, "Running"))
            elif state == "Running":
                self.due.put((when + self.seconds, name, "Succeeded"))

    def report(self, name, state):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        states = {"ContainerCreating": ("Pending", {"waiting": {"reason": state}}),
                  "Running": ("Running", {"running": {"startedAt": now}}),
                  "Succeeded": ("Succeeded", {"terminated": {
                      "exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}})}
        phase, container = states[state]
        ready = state == "Running"
        self.api.call("PATCH", f"/api/v1/namespaces/{self.namespace}/pods/{name}/status", {
            "status": {"phase": phase, "conditions": [{
                "type": "PodScheduled", "status": "True", "lastTransitionTime": now}],
                "containerStatuses": [{
                    "name": "main", "image": "x", "imageID": "x", "ready": ready,
                    "restartCount": 0, "state": container}]}}, MERGE)

    def stop(self):
        self.stopped.set()
        self.worker.join(10)


class Lab:
    """A cluster of its own, gone at the end."""

    def __init__(self):
        self.name = f"bench{os.getpid()}"
        self.folder = tempfile.TemporaryDirectory(prefix="bench.")
        self.work = Path(self.folder.name)
        self.log = ROOT / "build/bench-controller.log"

    def control(self, *args, stdin=None):
        done = subprocess.run([CLUSTER, *args], input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cluster {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def kubectl(self, *args, stdin=None):
        return self.control("exec", self.name, "--", "kubectl", *args, stdin=stdin)

    def __enter__(self):
        self.log.unlink(missing_ok=True)
        try:
            self.control("up", self.name)
            self.api = Api(json.loads(self.kubectl("config", "view", "--raw", "-o", "json")),
                           self.work)
            self.install()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.control("down", self.name)
        self.folder.cleanup()

    def install(self):
        """The CRDs and the role, and a kubeconfig of the controller's own account."""
        self.kubectl("create", "namespace", SYSTEM)
        self.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self.kubectl("apply", "-n", SYSTEM, "-k", str(ROOT / "manifests/rbac"))
        token = self.kubectl("create", "token", "-n", SYSTEM, "fondant-controller",
                             "--duration=24h").strip()
        self.kubeconfig = self.work / "controller.json"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": self.api.server,
                "certificate-authority-data": base64.b64encode(self.api.ca).decode()}}],
            "users": [{"name": "bench", "user": {"token": token}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}]}))
        self.writes = Writes(self.api, "fondant-controller")

    def controller(self):
        return Controller(self.kubeconfig, self.log)
