"""A Docker engine of the test's own: dockerd in a network namespace, its bridge with it."""
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
    def __init__(self, folder, namespace, flags):
        self.folder = folder
        self.namespace = namespace
        self.host = f"unix://{folder}/docker.sock"
        self.flags = flags
        self.process = None

    def start(self):
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace}", "dockerd", "--data-root",
                 f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--host", self.host,
                 "--pidfile", f"{self.folder}/docker.pid", *self.flags], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
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
        done = subprocess.run(["docker", "--host", self.host, *args], capture_output=True,
                              text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done

    def load(self, layout, image):
        if self.docker("image", "inspect", image, check=False).returncode == 0:
            return
        subprocess.run(["skopeo", "copy", "-q", "--dest-daemon-host", self.host,
                        f"oci:{layout}{':' + image if layout.name == 'oci' else ''}",
                        f"docker-daemon:{image}"], check=True, timeout=300)

    def containers(self, run=None, namespace=None):
        """What `docker inspect` says of the containers of a run, of a namespace, or of all runs."""
        filters = ["--filter", f"label=fondant.ai/run={run}" if run else "label=fondant.ai/run"]
        if namespace:
            filters += ["--filter", f"label=fondant.ai/namespace={namespace}"]
        ids = self.docker("ps", "-aq", *filters).stdout.split()
        # one may be removed meanwhile: the rest is printed all the same
        return json.loads(self.docker("inspect", *ids, check=False).stdout) if ids else []


@contextlib.contextmanager
def engine(address=None, prepare=None, *flags):
    """address: it also listens there, port 2376, by TLS (folder/client.crt). prepare(namespace):
    before it starts."""
    subprocess.run([str(ROOT / "tests/deps"), "docker"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="fondant-docker."))
    namespace = f"fdk{os.getpid()}"
    if address:
        certificates(folder, address)
        flags += ("--host", f"tcp://{address}:2376", "--tlsverify", "--tlscacert",
                  f"{folder}/ca.crt", "--tlscert", f"{folder}/server.crt", "--tlskey",
                  f"{folder}/server.key")
    found = Engine(folder, namespace, flags)
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        if prepare:
            prepare(namespace)
        found.start()
        yield found
    finally:
        if found.process:
            subprocess.run(f"docker --host {found.host} ps -aq | "
                           f"xargs -r docker --host {found.host} rm -f", shell=True, check=False,
                           stdout=subprocess.DEVNULL)
        found.stop()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()
                  if f" {folder}/" in line]
        for mount in sorted(mounts, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        subprocess.run(["ip", "netns", "del", namespace], check=False)
        shutil.rmtree(folder, ignore_errors=True)
