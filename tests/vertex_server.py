"""Stands in for Vertex AI Pipelines, Google's token endpoints and IAM Credentials: python
tests/vertex_server.py PORT PUBLIC_KEY [ADDRESS], in the environment of `tests/deps kfp`. What is sent must be a
PipelineJob by the real protobuf messages; assertions and subject tokens are verified by google-auth,
as Google does by its own. A token is good for whom it was made: the API takes those of service
accounts only.

A job is PENDING, RUNNING, and then SUCCEEDED (or FAILED, when a task's words have `fail`; never, when
they have `hang`); with `quota` its first four creations find a quota used up. GET /test/jobs tells every
job, GET /test/tokens what was asked for tokens.
"""
import json
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from google.auth import jwt
from google.cloud.aiplatform_v1.types import CustomJob, PipelineJob
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from kfp.pipeline_spec import pipeline_spec_pb2

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"  # google-auth asks no more before impersonating
PARENT = re.compile(r"/v1/projects/[^/]+/locations/[^/]+/pipelineJobs(?:/([^/:]+)(:cancel)?)?$")
CUSTOM_JOB = re.compile(r"/v1/(projects/[^/]+/locations/[^/]+/customJobs/[0-9]+)$")
ACCOUNT = re.compile(r"/v1/projects/-/serviceAccounts/([^/:@]+@[^/:]+):generateAccessToken$")
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
GRANT = "urn:ietf:params:oauth:grant-type:"
TOKEN = "urn:ietf:params:oauth:token-type:"
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
            job = f"{self.name.split('/pipelineJobs')[0]}/customJobs/{77 + len(found)}"
            one["executorDetail"] = {"containerDetail": {"mainJob": job}}
            if own == "FAILED":
                one["error"] = {"code": 9, "message": f"{job} has failed."}
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
    def __init__(self, address, public_key):
        self.lock = threading.Lock()
        self.jobs = {}
        self.key = public_key
        self.audience = f"http://{address}/token"
        self.tokens = []  # whose each is
        self.asked = []
        self.exhausted = Counter()

    def assertion(self, form):
        """Of a service account's key; returns whose."""
        assertion = form["assertion"][0]
        assert "=" not in assertion
        assert jwt.decode_header(assertion)["alg"] == "RS256"
        claims = jwt.decode(assertion, certs=self.key, audience=self.audience)
        assert claims["iss"].endswith(".iam.gserviceaccount.com") and SCOPE in claims["scope"]
        assert claims["exp"] - claims["iat"] <= 3600
        return claims["iss"]

    def exchange(self, form):
        """Of a token that another issuer signed."""
        assert form["audience"] == [POOL] and form["scope"][0] in (SCOPE, IAM_SCOPE)
        assert form["requested_token_type"] == [TOKEN + "access_token"]
        assert form["subject_token_type"] == [TOKEN + "jwt"]
        return "pool:" + jwt.decode(form["subject_token"][0], certs=self.key, audience=POOL)["sub"]

    def make(self, whose):
        self.tokens.append(whose)
        return f"token-{len(self.tokens)}"

    def whose(self, headers):
        given = re.fullmatch(r"Bearer token-(\d+)", headers.get("Authorization", ""))
        if not given or int(given[1]) > len(self.tokens):
            raise Refused(401, "UNAUTHENTICATED", "Request had invalid credentials.")
        return self.tokens[int(given[1]) - 1]

    def token(self, path, form):
        self.asked.append([path, {name: values[0] for name, values in form.items()}])
        kinds = {("/token", GRANT + "jwt-bearer"): self.assertion,
                 ("/sts", GRANT + "token-exchange"): self.exchange}
        try:
            whose = kinds[path, form["grant_type"][0]](form)
        except Exception as wrong:
            refused = Refused(400, "", "")
            refused.body = {"error": "invalid_grant", "error_description": f"Invalid JWT: {wrong}"}
            raise refused from wrong
        return {"access_token": self.make(whose), "expires_in": 3599, "token_type": "Bearer",
                "issued_token_type": TOKEN + "access_token"}

    def impersonate(self, account, headers, body):
        whose = self.whose(headers)
        self.asked.append([account, {"whose": whose, **body}])
        assert body["scope"] == [SCOPE] and re.fullmatch(r"\d+s", body["lifetime"])
        if account.startswith("closed@"):
            raise Refused(403, "PERMISSION_DENIED",
                          "Permission 'iam.serviceAccounts.getAccessToken' denied on resource")
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + int(body["lifetime"][:-1])))
        return {"accessToken": self.make(account), "expireTime": ends}

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
        if '"quota"' in json.dumps(body["pipelineSpec"]) and self.exhausted[name] < 4:
            self.exhausted[name] += 1
            raise Refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded for aiplatform.googleapis.com/x")
        self.jobs[name] = Job(body, f"{path.removeprefix('/v1/')}/{name}")
        return self.jobs[name].answer()

    def act(self, method, path, query, body):
        found = CUSTOM_JOB.match(path)
        if found:
            return MessageToDict(ParseDict(
                {"name": found[1], "state": "JOB_STATE_FAILED", "error": {
                    "code": 9, "message": "The replica workerpool0-0 exited with a non-zero status "
                                          "of 1."}}, CustomJob.pb()()))
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
            return {name: {**job.body, "cancelled": bool(job.cancelled)}
                    for name, job in self.state.jobs.items()}
        if url.path == "/test/tokens":
            return self.state.asked
        if url.path in ("/token", "/sts"):
            return self.state.token(url.path, parse_qs(body.decode()))
        account = ACCOUNT.match(url.path)
        if account:
            return self.state.impersonate(account[1], self.headers, json.loads(body))
        if self.headers.get("Authorization") != "Bearer client" and self.state.whose(
                self.headers).startswith("pool:"):
            raise Refused(403, "PERMISSION_DENIED", "aiplatform.pipelineJobs.create denied")
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
        HOST = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
        Handler.state = Server(f"{HOST}:{sys.argv[1]}", file.read())
    ThreadingHTTPServer((HOST, int(sys.argv[1])), Handler).serve_forever()
