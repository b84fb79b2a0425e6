"""Stands in for a Kubeflow Pipelines server: python tests/kubeflow_server.py PORT [HOST CERT KEY], by
TLS with the files, in the environment of `tests/deps kfp`, whose protobuf messages judge what is
sent. It has the manners of the real one that tests/data/kubeflow/answers-2.17.txt records;
test_kubeflow.py holds it against these.

A run is PENDING, has no state, is RUNNING, and then SUCCEEDED (or FAILED, when the words of a task or a
parameter have `fail`; never, when they have `hang`). $TOKEN: wanted as a bearer. GET /test/runs tells everything,
/test/token the bearer of the last call.
"""
import json
import os
import re
import ssl
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from google.protobuf.json_format import ParseDict, ParseError
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2

EPOCH = "1970-01-01T00:00:00Z"
RUN_FIELDS = {"run_id", "display_name", "experiment_id", "description", "pipeline_spec",
              "pipeline_version_reference", "runtime_config", "service_account", "storage_state",
              "state", "created_at", "scheduled_at", "finished_at"}
PENDING, SILENT, RUNNING = 0.3, 0.6, 1.5  # seconds of a run's age


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Refused(Exception):
    def __init__(self, status, code, message, short=None):
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}
        if short:
            self.body["details"] = [{"@type": "type.googleapis.com/google.rpc.Status",
                                     "code": code, "message": short}]


def not_found(what, name):
    short = f"{what} {name} not found"
    return Refused(404, 5, f"Failed to get a {what.lower()}: ResourceNotFoundError: {short}", short)


def internal(message):
    return Refused(500, 13, f"Failed to create a new run: InternalServerError: {message}",
                   "Internal Server Error")


def snake(body):
    """protojson takes both spellings of a field."""
    return {re.sub("[A-Z]", lambda m: "_" + m[0].lower(), key): value for key, value in body.items()}


def check_specification(given):
    """The IR, or the IR and the platform's document."""
    pipeline = given.get("pipeline_spec", given)
    try:
        ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
        executors = pipeline["deploymentSpec"]["executors"]
        platform = given.get("platform_spec")
        if platform:
            ParseDict(platform, pipeline_spec_pb2.PlatformSpec(), ignore_unknown_fields=False)
            configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
            for name, config in configs.items():
                assert name in executors
                ParseDict(config, kubernetes.KubernetesExecutorConfig(),
                          ignore_unknown_fields=False)
        assert pipeline["root"]["dag"]["tasks"]
    except (ParseError, KeyError, AssertionError, TypeError, AttributeError) as wrong:
        raise internal("Failed to create a run due to error fetching manifest: Failed to fetch a "
                       "template with an invalid pipeline spec manifest: InvalidInputError: "
                       f"unknown template format: pipeline spec is invalid ({wrong})") from wrong
    return pipeline


class Run:
    def __init__(self, body, pipeline):
        self.body = body
        self.pipeline = pipeline
        self.workflows = 1
        self.created = now()
        self.since = time.monotonic()
        self.terminated = None
        words = json.dumps([pipeline["deploymentSpec"], pipeline["root"].get("inputDefinitions"),
                            body.get("runtime_config")])
        self.fails, self.hangs = '"fail"' in words, '"hang"' in words

    def state(self):
        age = time.monotonic() - self.since
        if self.terminated:
            return "FAILED" if time.monotonic() - self.terminated > 1 else "CANCELING"
        if age < PENDING:
            return "PENDING"
        if age < SILENT:
            return None
        if age < RUNNING or self.hangs:
            return "RUNNING"
        return "FAILED" if self.fails else "SUCCEEDED"

    def row(self, name, state):
        over = state in ("SUCCEEDED", "FAILED")
        return {"run_id": self.body["run_id"], "task_id": str(uuid.uuid4()), "display_name": name,
                "create_time": self.created, "start_time": self.created,
                "end_time": now() if over else EPOCH, "state": state,
                "child_tasks": [{"pod_name": f"{name}-pod"}]}

    def rows(self, state):
        rows = [self.row("root-driver", "SUCCEEDED"), self.row("root", "RUNNING")]
        for name, task in self.pipeline["root"]["dag"]["tasks"].items():
            if task.get("dependentTasks") and (state == "RUNNING" or self.fails):
                continue
            own = state if state in ("SUCCEEDED", "FAILED", "RUNNING") else "RUNNING"
            rows += [self.row(f"{name}-driver", "SUCCEEDED"), self.row("executor", own),
                     self.row(name, own)]
        return rows

    def answer(self):
        state = self.state()
        found = {"experiment_id": self.body.get("experiment_id", "default"),
                 "run_id": self.body["run_id"], "display_name": self.body["display_name"],
                 "storage_state": "AVAILABLE", "pipeline_spec": self.body["pipeline_spec"],
                 "service_account": self.body.get("service_account", "pipeline-runner"),
                 "created_at": self.created, "scheduled_at": self.created,
                 "finished_at": now() if state in ("SUCCEEDED", "FAILED") else EPOCH,
                 "state_history": [{"update_time": self.created, "state": "PENDING"}]}
        if "runtime_config" in self.body:
            found["runtime_config"] = self.body["runtime_config"]
        if state:
            found["state"] = state
        if state not in ("PENDING", None):
            found["run_details"] = {"task_details": self.rows(state)}
        return found


class Server:
    def __init__(self):
        self.lock = threading.Lock()
        self.token = ""
        self.experiments = {}
        self.runs = {}
        self.make_experiment({"display_name": "Default"})

    def make_experiment(self, body):
        unknown = set(snake(body)) - {"display_name", "description", "namespace", "storage_state"}
        if unknown:
            raise Refused(400, 3, f'proto: (line 1:2): unknown field "{unknown.pop()}"')
        name = snake(body)["display_name"]
        if name in self.experiments:
            short = (f"Failed to create a new experiment. The name {name} already exists. Please "
                     "specify a new name")
            raise Refused(409, 6, f"Failed to create a experiment: Already exist error: {short}",
                          short)
        self.experiments[name] = {"experiment_id": str(uuid.uuid4()), "display_name": name,
                                  **{k: v for k, v in body.items() if k == "description"},
                                  "created_at": now(), "storage_state": "AVAILABLE",
                                  "last_run_created_at": EPOCH}
        return self.experiments[name]

    def chosen(self, query, items, key):
        found = list(items)
        if "filter" in query:
            try:
                wanted = json.loads(unquote(query["filter"][0]))["predicates"]
            except (ValueError, KeyError) as wrong:
                short = f'failed to parse valid filter from "{query["filter"][0]}"'
                raise Refused(400, 3, f"Failed to create list options: Invalid input error: {short}",
                              short) from wrong
            for one in wanted:
                value = one.get("string_value", one.get("stringValue"))
                found = [f for f in found if f.get(one["key"]) == value]
        return {key: found, "total_size": len(found)} if found else {}

    def start(self, body):
        body = snake(body)
        unknown = set(body) - RUN_FIELDS
        if unknown:
            raise Refused(400, 3, f'proto: (line 1:2): unknown field "{unknown.pop()}"')
        if not body.get("pipeline_spec"):
            raise internal("Failed to create a run due to error fetching manifest: Invalid input "
                           "error: Failed to fetch a template with an empty pipeline spec manifest")
        pipeline = check_specification(body["pipeline_spec"])
        body.setdefault("run_id", str(uuid.uuid4()))
        if body["run_id"] in self.runs:
            self.runs[body["run_id"]].workflows += 1
            raise Refused(500, 13, "Failed to create a new run: Failed to create a run: "
                          "InternalServerError: Failed to store run to table: Error 1062 (23000): "
                          f"Duplicate entry '{body['run_id']}' for key 'PRIMARY'",
                          "Internal Server Error")
        run = self.runs[body["run_id"]] = Run(body, pipeline)
        return run.answer()

    def of_run(self, method, rest):
        name, _, verb = rest.partition(":")
        run = self.runs.get(name)
        if not run:
            raise not_found("Run", name)
        if method == "GET":
            return run.answer()
        if method == "DELETE":
            del self.runs[name]
            return {}
        if verb == "terminate":
            if run.state() not in ("PENDING", "RUNNING", None):
                raise Refused(400, 3, "Failed to terminate a run: Row not found", "Row not found")
            run.terminated = time.monotonic()
            return {}
        if verb == "retry":
            short = "Workflow must be Failed/Error to retry"
            raise Refused(409, 10, f"Failed to retry a run: BadRequestError: {short}", short)
        if verb == "archive":
            return {}
        raise Refused(404, 5, "Not Found")

    def act(self, method, path, query, body):
        if path == "/healthz":
            return {"commit_sha": "unknown", "tag_name": os.environ.get("TAG", "unknown"),
                    "multi_user": False, "pipeline_store": "database"}
        if path == "/experiments" and method == "POST":
            return self.make_experiment(body)
        if path == "/experiments":
            return self.chosen(query, self.experiments.values(), "experiments")
        if path.startswith("/experiments/"):
            name = path.split("/")[2]
            for one in self.experiments.values():
                if one["experiment_id"] == name:
                    return one
            raise not_found("Experiment", name)
        if path == "/runs" and method == "POST":
            return self.start(body)
        if path == "/runs":
            return self.chosen(query, [r.answer() for r in self.runs.values()], "runs")
        if path.startswith("/runs/"):
            return self.of_run(method, path.removeprefix("/runs/"))
        raise Refused(404, 5, "Not Found")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = Server()

    def log_message(self, *args):
        pass

    def answer(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/test/runs":
            return {name: {"workflows": run.workflows, "terminated": bool(run.terminated),
                           "body": run.body}
                    for name, run in self.state.runs.items()}
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if url.path == "/test/token":
            return {"token": self.state.token}
        self.state.token = given
        token = os.environ.get("TOKEN")
        if token and given != token:
            raise Refused(401, 16, "Request header error: there is no user identity header.")
        try:
            body = json.loads(body) if body else {}
        except ValueError as wrong:
            raise Refused(400, 3, "proto: syntax error (line 1:1)") from wrong
        path = url.path.removeprefix("/apis/v2beta1")
        with self.state.lock:
            return self.state.act(self.command, path, parse_qs(url.query), body)

    def handle_any(self):
        try:
            status, body = 200, self.answer()
        except Refused as refused:
            status, body = refused.status, refused.body
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = handle_any


if __name__ == "__main__":
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    server = ThreadingHTTPServer((host, int(sys.argv[1])), Handler)
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
