"""A Docker engine of the test's own, in a network namespace, its bridge with it: Debian's dockerd, or
(tests/full) a current one or podman."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from kit import ROOT, wait_until

IMAGES = ROOT / ".cache/images"


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def certificates(folder, address):
    """ca.crt, server.{crt,key} for the address, and client.{crt,key}, all of one authority."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
            "-subj", "/CN=lab")
    for name, extension in (("server", f"subjectAltName=IP:{address}"),
                            ("client", "extendedKeyUsage=clientAuth")):
        (folder / f"{name}.ext").write_text(extension)
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")


class Engine:
    """Debian's dockerd: API 1.41."""
    needs = [["tests/deps", "docker"]]
    client = "docker"
    compose_program = "docker-compose"
    cannot = {}  # test -> why it is skipped on this engine

    def __init__(self, folder, namespace, flags):
        self.folder = folder
        self.namespace = namespace
        self.host = f"unix://{folder}/docker.sock"
        self.flags = flags
        self.process = None

    def argv(self):
        return ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
                "--host", self.host, "--pidfile", f"{self.folder}/docker.pid", *self.flags]

    def env(self):
        return {}

    def start(self):
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, self.argv())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env()})
        wait_until(lambda: self.docker("version", check=False).returncode == 0, 60, self.log)

    def log(self):
        return (self.folder / "dockerd.log").read_text()[-3000:]

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def docker(self, *args, check=True):
        done = subprocess.run([self.client, "--host", self.host, *args], capture_output=True,
                              text=True, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done

    def compose(self, *args, **more):
        return subprocess.run([self.compose_program, "--host", self.host, *args], capture_output=True,
                              text=True, timeout=120, **more)

    def load(self, layout, image):
        if self.docker("image", "inspect", image, check=False).returncode == 0:
            return
        archive = self.folder / "image.tar"  # skopeo itself speaks no API that a current engine takes
        subprocess.run(["skopeo", "copy", "-q",
                        f"oci:{layout}{':' + image if layout.name == 'oci' else ''}",
                        f"docker-archive:{archive}:{image}"], check=True, timeout=300)
        self.docker("load", "-q", "-i", str(archive))
        archive.unlink()

    def containers(self, run=None, namespace=None):
        """What `docker inspect` says of the containers of a run, of a namespace, or of all runs."""
        filters = ["--filter", f"label=fondant.ai/run={run}" if run else "label=fondant.ai/run"]
        if namespace:
            filters += ["--filter", f"label=fondant.ai/namespace={namespace}"]
        ids = self.docker("ps", "-aq", *filters).stdout.split()
        # one may be removed meanwhile: the rest is printed all the same
        return json.loads(self.docker("inspect", *ids, check=False).stdout) if ids else []


class CurrentEngine(Engine):
    """A current dockerd that refuses clients older than API 1.44, as Docker 29 does. Its runc is of
    its age, it was built without libseccomp, and Debian's docker-proxy is too old for it."""
    needs = [["tests/deps", "docker"], ["tests/full/build"]]
    client = str(ROOT / ".cache/bin/docker-current")
    compose_program = str(ROOT / ".cache/bin/docker-compose-v2")

    def argv(self):
        _, *rest = super().argv()
        runc = ROOT / ".cache/bin/runc-current"
        return [ROOT / ".cache/bin/dockerd-current", *rest, "--seccomp-profile", "unconfined",
                "--add-runtime", f"current={runc}", "--default-runtime", "current",
                "--ip6tables=false", "--userland-proxy=false"]

    def env(self):
        return {"DOCKER_MIN_API_VERSION": "1.44"}


class Podman(Engine):
    """Debian's podman on the socket that speaks Docker's API. Without these limits it gives each
    container more than it may have itself; crun does not start on a machine with both cgroup
    hierarchies."""
    needs = [["tests/deps", "podman"]]
    cannot = {
        "test_a_step_that_takes_too_much_memory": "podman 4.3 calls it exit code 137, OOMKilled false",
        "test_the_engine_restarts_during_a_run": "containers of podman live on without its service"}

    def argv(self):
        return ["podman", "--root", self.folder / "data", "--runroot", self.folder / "exec",
                "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime", "runc", "system",
                "service", "--time", "0", self.host]

    def env(self):
        configuration = self.folder / "containers.conf"
        configuration.write_text(
            '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
            f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{self.folder}/networks"\n')
        return {"CONTAINERS_CONF": str(configuration)}


ENGINES = {"debian": Engine, "moby": CurrentEngine, "podman": Podman}


@contextlib.contextmanager
def engine(address=None, prepare=None, *flags, kind=None):
    """address: it also listens there, port 2376, by TLS (folder/client.crt). prepare(namespace):
    before it starts. kind: one of ENGINES; what $DOCKER_ENGINE says without it."""
    kind = kind or ENGINES[os.environ.get("DOCKER_ENGINE", "debian")]
    for argv in kind.needs:
        subprocess.run([str(ROOT / argv[0]), *argv[1:]], check=True)
    folder = Path(tempfile.mkdtemp(prefix="fondant-docker."))
    namespace = f"fdk{os.getpid()}"
    if address:
        certificates(folder, address)
        flags += ("--host", f"tcp://{address}:2376", "--tlsverify", "--tlscacert",
                  f"{folder}/ca.crt", "--tlscert", f"{folder}/server.crt", "--tlskey",
                  f"{folder}/server.key")
    found = kind(folder, namespace, flags)
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        if prepare:
            prepare(namespace)
        found.start()
        yield found
    finally:
        if found.process:
            left = found.docker("ps", "-aq", check=False).stdout.split()
            if left:
                found.docker("rm", "-f", *left, check=False)
        found.stop()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()
                  if f" {folder}/" in line]
        for mount in sorted(mounts, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        subprocess.run(["ip", "netns", "del", namespace], check=False)
        shutil.rmtree(folder, ignore_errors=True)
