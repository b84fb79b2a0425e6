"""Our registry client against Debian's docker-registry: open, htpasswd, token, TLS; and behind
proxies that are slow or ask to slow down. All of them serve one store with one image in it."""
import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import pytest

from kit import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FONDANT_BUILD", ROOT / "build"))
TOOL = str(BUILD / "tests/unit/tool_registry")
# bcrypt of "s3cr3t+/=", cost 5
HTPASSWD = "me:$2b$05$abcdefghijklmnopqrstuurqWPUZR1Qq7yqi3jKDeYLve1pkrrLg2\n"
PASSWORD = "s3cr3t+/="
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def ask(*args):
    """tool_registry's answers, one for each image."""
    done = subprocess.run([TOOL, "--retry-ms", "10", *args], capture_output=True, text=True,
                          timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(address, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(*address.split(":"), timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def push_blob(address, name, blob):
    begun = request(address, "POST", f"/v2/{name}/blobs/uploads/")
    where = urllib.parse.urlparse(begun.headers["Location"])
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    done = request(address, "PUT", f"{where.path}?{where.query}&digest={digest}", blob)
    assert done.status == 201
    return {"digest": digest, "size": len(blob)}


def push(address, name, tag):
    """An index of one manifest; returns its digest."""
    config = push_blob(address, name, b'{"architecture": "amd64", "os": "linux"}')
    layer = push_blob(address, name, b"no layer at all")
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}]}).encode()
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    done = request(address, "PUT", f"/v2/{name}/manifests/{digest}", manifest,
                   {"Content-Type": MANIFEST_TYPE})
    assert done.status == 201
    index = json.dumps({
        "schemaVersion": 2, "mediaType": INDEX_TYPE,
        "manifests": [{"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(manifest),
                       "platform": {"architecture": "amd64", "os": "linux"}}]}).encode()
    done = request(address, "PUT", f"/v2/{name}/manifests/{tag}", index,
                   {"Content-Type": INDEX_TYPE})
    assert done.status == 201
    return "sha256:" + hashlib.sha256(index).hexdigest()


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TokenServer(http.server.BaseHTTPRequestHandler):
    """Gives pull of anything to `me`, and of public/ to everybody; signs by openssl."""
    protocol_version = "HTTP/1.1"
    key = certificate = None
    asked = []

    def log_message(self, *args):
        pass

    def b64(self, data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def answer(self, user, service, scopes):
        access = []
        for scope in scopes:
            kind, name, _ = scope.split(":")
            if user or name.startswith("public/"):
                access.append({"type": kind, "name": name, "actions": ["pull"]})
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.certificate]}
        claims = {"iss": "tests", "sub": user, "aud": service, "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": str(len(self.asked)), "access": access}
        text = self.b64(json.dumps(head).encode()) + "." + self.b64(json.dumps(claims).encode())
        signature = openssl("dgst", "-sha256", "-sign", self.key, stdin=text.encode())
        return {"token": f"{text}.{self.b64(signature)}", "expires_in": 300}

    def reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        given = self.headers.get("Authorization")
        wanted = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        self.asked.append(("GET", query))
        if given and given != wanted:
            self.reply(401, {"details": "wrong " + given})
        else:
            self.reply(200, self.answer("me" if given else "", query["service"][0],
                                        query["scope"]))

    def do_POST(self):
        form = urllib.parse.parse_qs(
            self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append(("POST", form))
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != ["id " + PASSWORD]:
            self.reply(401, {})
            return
        answer = self.answer("me", form["service"][0], form["scope"])
        self.reply(200, {"access_token": answer["token"], "expires_in": 300})


@contextlib.contextmanager
def serve(handler, **members):
    kind = type("Handler", (handler,), members)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", kind
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Lab:
    """One store, and the registries that are started on it."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def registry(self, name, **config):
        address = f"127.0.0.1:{free_port()}"
        http_config = {"addr": address, **config.pop("http", {})}
        path = self.folder / f"{name}.json"  # JSON is YAML
        path.write_text(json.dumps({
            "version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "store")}},
            "http": http_config, **config}))
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log,
                                       stderr=log)
        self.processes.append(process)

        def listens():
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", int(address.split(":")[1])), 5).close()
                return True
            return False

        wait_until(listens, 60, lambda: "the registry does not listen")
        return address

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait(timeout=20)

    def pull_secret(self, name, auths):
        path = self.folder / f"{name}-auth.json"
        path.write_text(json.dumps({"auths": auths}))
        return str(path)


def auth(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "cluster"], check=True, stdout=sys.stderr)
    it = Lab(tmp_path_factory.mktemp("registry"))
    try:
        it.open = it.registry("open")
        it.digest = push(it.open, "team/app", "1")
        assert push(it.open, "public/app", "1") == it.digest
        assert push(it.open, "library/busybox", "latest") == it.digest
        yield it
    finally:
        it.stop()


@pytest.fixture(scope="module")
def certificate(lab):
    """(key, certificate) for 127.0.0.1, also as its own authority."""
    key, crt = str(lab.folder / "key.pem"), str(lab.folder / "crt.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt, "-days",
            "2", "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1")
    return key, crt


@pytest.fixture(scope="module")
def basic(lab):
    (lab.folder / "htpasswd").write_text(HTPASSWD)
    return lab.registry("basic", auth={
        "htpasswd": {"realm": "a realm, with a comma", "path": str(lab.folder / "htpasswd")}})


@pytest.fixture(scope="module")
def token(lab, certificate):
    """(registry, token server's class)"""
    key, crt = certificate
    der = base64.b64encode(openssl("x509", "-in", crt, "-outform", "DER")).decode()
    with serve(TokenServer, key=key, certificate=der, asked=[]) as (address, server):
        server.address = address
        yield lab.registry("token", auth={"token": {
            "realm": f"http://{address}/token", "service": "the registry", "issuer": "tests",
            "rootcertbundle": crt}}), server


def plain(*addresses):
    return [arg for address in addresses for arg in ("--insecure", "http://" + address)]


def test_open(lab):
    image = f"{lab.open}/team/app"
    found, = ask(*plain(lab.open), image + ":1")
    assert found["digest"] == lab.digest and found["pinned"] == f"{image}@{lab.digest}"


def test_skopeo_says_the_same(lab):
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{lab.open}/team/app:1"],
        capture_output=True, check=True)
    assert "sha256:" + hashlib.sha256(done.stdout).hexdigest() == lab.digest


def test_missing(lab):
    tag, name, good = ask(*plain(lab.open), f"{lab.open}/team/app:2", f"{lab.open}/no/such:1",
                          f"{lab.open}/team/app:1")
    for missing in (tag, name):
        assert missing["reason"] == "ImageNotFound" and not missing["transient"]
        assert missing["image"] in missing["message"]
    assert good["digest"] == lab.digest


def test_many_at_once(lab):
    found = ask(*plain(lab.open), "--max-per-host", "2", *[f"{lab.open}/team/app:1"] * 5,
                *[f"{lab.open}/team/app:{n}" for n in range(2, 22)])
    assert [f.get("digest") for f in found[:5]] == [lab.digest] * 5
    assert all(f["reason"] == "ImageNotFound" for f in found[5:])


def test_plain_http_is_not_spoken_unasked(lab):
    refused, = ask(f"{lab.open}/team/app:1")
    assert refused["reason"] == "RegistryTLSFailed" and not refused["transient"]
    assert "insecure" in refused["message"]
    found, = ask("--insecure", lab.open, f"{lab.open}/team/app:1")
    assert found["digest"] == lab.digest


def test_basic(lab, basic):
    image = f"{basic}/team/app:1"
    good = lab.pull_secret("good", {basic: auth("me", PASSWORD)})
    bad = lab.pull_secret("bad", {basic: auth("me", "wrong s3cr3t")})
    both = lab.pull_secret("both", {f"{basic}/team": auth("me", "wrong s3cr3t"),
                                    f"https://{basic}": auth("me", PASSWORD)})
    assert ask(*plain(basic), "--config", good, image)[0]["digest"] == lab.digest
    assert ask(*plain(basic), "--config", both, image)[0]["digest"] == lab.digest
    refused, = ask(*plain(basic), "--config", bad, image)
    assert refused["reason"] == "RegistryUnauthorized" and "pull secret" in refused["message"]
    refused, = ask(*plain(basic), image)
    assert refused["reason"] == "RegistryUnauthorized" and basic in refused["message"]
    missing, = ask(*plain(basic), "--config", good, f"{basic}/team/app:2")
    assert missing["reason"] == "ImageNotFound"


def test_token(lab, token):
    registry, server = token
    options = plain(registry, server.address)
    secret = lab.pull_secret("token", {registry: auth("me", PASSWORD)})
    server.asked.clear()
    assert ask(*options, f"{registry}/public/app:1")[0]["digest"] == lab.digest
    assert server.asked == [("GET", {"service": ["the registry"],
                                     "scope": ["repository:public/app:pull"]})]
    refused, = ask(*options, f"{registry}/team/app:1")
    assert refused["reason"] == "RegistryUnauthorized"
    found, missing = ask(*options, "--config", secret, f"{registry}/team/app:1",
                         f"{registry}/team/app:2")
    assert found["digest"] == lab.digest and missing["reason"] == "ImageNotFound"


def test_identity_token(lab, token):
    registry, server = token
    secret = lab.pull_secret("identity", {registry: {"identitytoken": "id " + PASSWORD}})
    server.asked.clear()
    found, = ask(*plain(registry, server.address), "--config", secret, f"{registry}/team/app:1")
    assert found["digest"] == lab.digest
    assert [method for method, _ in server.asked] == ["POST"]


def test_token_server_refuses(lab, token):
    registry, server = token
    secret = lab.pull_secret("wrong", {registry: auth("me", "not s3cr3t")})
    refused, = ask(*plain(registry, server.address), "--config", secret,
                   f"{registry}/team/app:1")
    assert refused["reason"] == "RegistryUnauthorized" and server.address in refused["message"]


def test_token_server_off_the_allow_list(lab, token):
    registry, server = token
    secret = lab.pull_secret("off", {registry: auth("me", PASSWORD)})
    server.asked.clear()
    refused, = ask(*plain(registry), "--config", secret, f"{registry}/team/app:1")
    assert refused["reason"] == "RegistryInsecure" and server.address in refused["message"]
    assert server.asked == []


def test_tls(lab, certificate):
    key, crt = certificate
    address = lab.registry("tls", http={"tls": {"certificate": crt, "key": key}})
    image = f"{address}/team/app:1"
    assert ask("--ca", crt, image)[0]["digest"] == lab.digest
    assert ask("--insecure", address, image)[0]["digest"] == lab.digest
    refused, = ask(image)
    assert refused["reason"] == "RegistryTLSFailed" and "certificate" in refused["message"]


def test_down(lab):
    address = f"127.0.0.1:{free_port()}"
    down, = ask(*plain(address), f"{address}/team/app:1")
    assert down["reason"] == "RegistryUnavailable" and down["transient"]
    # What another one says is not held up by it.
    found, _ = ask(*plain(address, lab.open), f"{lab.open}/team/app:1", f"{address}/a:1")
    assert found["digest"] == lab.digest


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes HEAD on, unless the class says otherwise."""
    protocol_version = "HTTP/1.1"
    target = None
    hold = None        # an Event: answers once it is set
    slow_down = 0      # so many answers are 429
    retry_after = "1"
    without_digest = False
    seen = []

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        kind = type(self)
        kind.seen.append((time.monotonic(), self.command, self.path))
        if kind.hold:
            kind.hold.wait(60)
        if kind.slow_down > 0:
            kind.slow_down -= 1
            self.send_response(429)
            self.send_header("Retry-After", kind.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(*kind.target.split(":"), timeout=30)
        connection.request(self.command, self.path, headers={"Accept": self.headers["Accept"]})
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if not (kind.without_digest and name == "Docker-Content-Digest"):
                self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)
        connection.close()

    do_GET = do_HEAD


def test_slow(lab):
    hold = threading.Event()
    with serve(Proxy, target=lab.open, hold=hold, seen=[]) as (address, proxy):
        try:
            slow, = ask(*plain(address), "--request-ms", "200", "--tries", "2",
                        f"{address}/team/app:1")
            assert slow["reason"] == "RegistryTimeout" and slow["transient"]
            wait_until(lambda: len(proxy.seen) == 2, 60, lambda: f"asked: {proxy.seen}")
        finally:
            hold.set()


def test_slow_down(lab):
    with serve(Proxy, target=lab.open, slow_down=1, seen=[]) as (address, proxy):
        found, = ask(*plain(address), f"{address}/team/app:1")
        assert found["digest"] == lab.digest
        first, second = (when for when, _, _ in proxy.seen)
        assert second - first >= 0.95


def test_slow_down_for_long(lab):
    with serve(Proxy, target=lab.open, slow_down=9, retry_after="600",
               seen=[]) as (address, proxy):
        limited, = ask(*plain(address), f"{address}/team/app:1")
        assert limited["reason"] == "RegistryRateLimited" and limited["transient"]
        assert 590000 < limited["retry_after_ms"] <= 600000
        assert len(proxy.seen) == 1


def test_digest_by_get(lab):
    with serve(Proxy, target=lab.open, without_digest=True, seen=[]) as (address, proxy):
        found, = ask(*plain(address), f"{address}/team/app:1")
        assert found["digest"] == lab.digest
        assert [method for _, method, _ in proxy.seen] == ["HEAD", "GET"]


def test_mirror_of_docker_io(lab):
    with serve(Proxy, target=lab.open, seen=[]) as (address, proxy):
        found, = ask(*plain(address), "--mirror", f"docker.io={address}", "busybox")
        assert found["digest"] == lab.digest
        assert found["pinned"] == f"busybox@{lab.digest}"
        assert proxy.seen[0][2] == "/v2/library/busybox/manifests/latest?ns=docker.io"


def test_mirrors_in_turn(lab):
    gone = f"127.0.0.1:{free_port()}"
    found, = ask(*plain(gone, lab.open), "--mirror", f"registry.invalid={gone}", "--mirror",
                 f"registry.invalid={lab.open}", "registry.invalid/team/app:1")
    assert found["digest"] == lab.digest
