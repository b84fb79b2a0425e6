"""Stands in for Vertex AI Pipelines and Google's token endpoint: python tests/vertex_server.py PORT
PUBLIC_KEY, in the environment of `tests/deps kfp`. What is sent must be a PipelineJob by the real
protobuf messages; assertions are verified by google-auth, as Google does by its own.

A job is PENDING, RUNNING, and then SUCCEEDED (or FAILED, when a task's words have `fail`; never, when
they have `hang`). GET /test/jobs tells everything.
"""
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from google.auth import jwt
from google.cloud.aiplatform_v1.types import PipelineJob
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from kfp.pipeline_spec import pipeline_spec_pb2

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PARENT = re.compile(r"/v1/projects/[^/]+/locations/[^/]+/pipelineJobs(?:/([^/:]+)(:cancel)?)?$")
PENDING, RUNNING = 0.5, 1.5  # seconds of a job's age


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Refused(Exception):
    def __init__(self, code, status, message):
        super().__init__(message)
        self.code = code
        self.body = {"error": {"code": code, "message": message, "status": status}}


class Job:
    def __init__(self, body, name):
        self.body = body
        self.name = name
        self.since = time.monotonic()
        self.created = now()
        self.cancelled = None
        words = json.dumps(body["pipelineSpec"]["deploymentSpec"])
        self.fails, self.hangs = '"fail"' in words, '"hang"' in words

    def state(self):
        age = time.monotonic() - self.since
        if self.cancelled:
            return "CANCELLED" if time.monotonic() - self.cancelled > 0.5 else "CANCELLING"
        if age < PENDING:
            return "PENDING"
        if age < RUNNING or self.hangs:
            return "RUNNING"
        return "FAILED" if self.fails else "SUCCEEDED"

    def tasks(self, state):
        found = [{"taskId": "1", "taskName": "the-pipeline", "state": "RUNNING"}]
        for name, task in self.body["pipelineSpec"]["root"]["dag"]["tasks"].items():
            if task.get("dependentTasks") and (state == "RUNNING" or self.fails):
                continue
            own = state if state in ("SUCCEEDED", "FAILED") else "RUNNING"
            one = {"taskId": str(len(found) + 1), "parentTaskId": "1", "taskName": name,
                   "state": own, "createTime": self.created, "startTime": self.created}
            if own == "FAILED":
                one["error"] = {"code": 9, "message": "The replica exited with status 1."}
            found.append(one)
        return found

    def answer(self):
        state = self.state()
        found = {**self.body, "name": self.name, "state": f"PIPELINE_STATE_{state}",
                 "createTime": self.created, "updateTime": now()}
        if state != "PENDING":
            found["jobDetail"] = {"taskDetails": self.tasks(state)}
        # only what the real messages can hold leaves
        message = ParseDict(found, PipelineJob.pb()(), ignore_unknown_fields=False)
        return MessageToDict(message)


class Server:
    def __init__(self, port, public_key):
        self.lock = threading.Lock()
        self.jobs = {}
        self.key = public_key
        self.audience = f"http://127.0.0.1:{port}/token"
        self.tokens = 0

    def token(self, form):
        try:
            assertion = form["assertion"][0]
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            assert "=" not in assertion
            assert jwt.decode_header(assertion)["alg"] == "RS256"
            claims = jwt.decode(assertion, certs=self.key, audience=self.audience)
            assert claims["iss"].endswith(".iam.gserviceaccount.com") and SCOPE in claims["scope"]
            assert claims["exp"] - claims["iat"] <= 3600
        except Exception as wrong:
            refused = Refused(400, "", "")
            refused.body = {"error": "invalid_grant", "error_description": f"Invalid JWT: {wrong}"}
            raise refused from wrong
        self.tokens += 1
        return {"access_token": f"token-{self.tokens}", "expires_in": 3599, "token_type": "Bearer"}

    def create(self, path, query, body):
        [name] = query["pipelineJobId"]
        if not re.fullmatch("[a-z][-a-z0-9]{0,127}", name):
            raise Refused(400, "INVALID_ARGUMENT", "pipelineJobId")
        if name in self.jobs:
            raise Refused(409, "ALREADY_EXISTS", f"pipeline job {name} already exists")
        try:
            ParseDict(body, PipelineJob.pb()(), ignore_unknown_fields=False)
            ParseDict(body["pipelineSpec"], pipeline_spec_pb2.PipelineSpec(),
                      ignore_unknown_fields=False)
            assert body["runtimeConfig"]["gcsOutputDirectory"].startswith("gs://")
        except (ParseError, KeyError, AssertionError) as wrong:
            raise Refused(400, "INVALID_ARGUMENT", f"Invalid value: {wrong}") from wrong
        self.jobs[name] = Job(body, f"{path.removeprefix('/v1/')}/{name}")
        return self.jobs[name].answer()

    def act(self, method, path, query, body):
        found = PARENT.match(path)
        if not found:
            raise Refused(404, "NOT_FOUND", "Not Found")
        name, cancel = found.groups()
        if not name and method == "POST":
            return self.create(path, query, body)
        if not name:
            return {"pipelineJobs": [job.answer() for job in self.jobs.values()]}
        if name not in self.jobs:
            raise Refused(404, "NOT_FOUND", "The PipelineJob does not exist.")
        job = self.jobs[name]
        if cancel:
            if job.state() in ("SUCCEEDED", "FAILED", "CANCELLED"):
                raise Refused(400, "FAILED_PRECONDITION", "the job is in a final state")
            job.cancelled = time.monotonic()
            return {}
        return job.answer()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *args):
        pass

    def answer(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/test/jobs":
            return {name: job.body for name, job in self.state.jobs.items()}
        if url.path == "/token":
            return self.state.token(parse_qs(body.decode()))
        given = self.headers.get("Authorization", "")
        if not re.fullmatch(r"Bearer (token-\d+|client)", given):
            raise Refused(401, "UNAUTHENTICATED", "Request had invalid credentials.")
        with self.state.lock:
            return self.state.act(self.command, url.path, parse_qs(url.query),
                                  json.loads(body) if body else {})

    def handle_any(self):
        try:
            status, body = 200, self.answer()
        except Refused as refused:
            status, body = refused.code, refused.body
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = handle_any


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        Handler.state = Server(int(sys.argv[1]), file.read())
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
