"""A current Docker engine that takes no client older than API 1.44, as Docker 29 does. What is here is
its version; all else is tests/integration/test_docker.py, run on it."""
import json
import os
import re
import socket
import socketserver
import subprocess
import threading

import pytest
import yaml

from dockerlab import IMAGES, CurrentEngine, engine
from kit import PROBE, ROOT, probe_step

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
LEAST = 44


@pytest.fixture(scope="module")
def docker():
    with engine(kind=CurrentEngine) as found:
        found.load(IMAGES / "oci-probe", PROBE)
        yield found


class Listener(socketserver.ThreadingUnixStreamServer):
    """Passes every byte on to an engine, and keeps the paths that it was asked for."""
    daemon_threads = True

    def __init__(self, path, engine_path):
        super().__init__(str(path), None)
        self.engine_path = engine_path
        self.asked = []

    def finish_request(self, request, client_address):
        with socket.socket(socket.AF_UNIX) as engine_side:
            engine_side.connect(self.engine_path)
            back = threading.Thread(target=self.pass_on, args=(engine_side, request), daemon=True)
            back.start()
            self.pass_on(request, engine_side, self.asked)
            back.join()

    @staticmethod
    def pass_on(source, target, asked=None):
        try:
            while data := source.recv(1 << 16):
                if asked is not None:
                    asked += re.findall(rb"^(?:GET|POST|PUT|DELETE|HEAD) (/\S+) HTTP/1", data, re.M)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has gone; the other is told when its socket is closed


def get(docker, path):
    """(status, answer)"""
    done = subprocess.run(["curl", "-s", "--unix-socket", docker.host.removeprefix("unix://"), "-w",
                           "\n%{http_code}", f"http://docker{path}"], capture_output=True, text=True,
                          check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_it_refuses_older_clients(docker):
    status, answer = get(docker, "/version")
    assert status == 200 and answer["MinAPIVersion"] == f"1.{LEAST}"
    assert int(answer["ApiVersion"].removeprefix("1.")) >= 51
    status, answer = get(docker, "/v1.41/info")
    assert status == 400 and "client version 1.41 is too old" in answer["message"]


def test_the_program_speaks_a_version_that_it_takes(docker, tmp_path):
    file = tmp_path / "lab.yaml"
    file.write_text(yaml.safe_dump({
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": "lab"},
        "spec": {"workingDirectory": str(tmp_path / "data"), "steps": [
            probe_step("a", produces=["a"]), probe_step("b", consumes=["a"])]}}))
    path = tmp_path / "listener.sock"
    with Listener(path, docker.host.removeprefix("unix://")) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        done = subprocess.run([PROGRAM, "run", "-f", str(file), "--backend", "docker", "--host",
                               f"unix://{path}"], capture_output=True, text=True, timeout=120)
        listener.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [each.decode() for each in listener.asked]
    versions = {int(v) for v in re.findall(r"/v1\.(\d+)/", " ".join(asked))}
    assert len(versions) == 1 and versions.pop() >= LEAST
    assert [each for each in asked if not re.match(r"/v1\.\d+/", each)] == ["/version"]
