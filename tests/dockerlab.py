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


class Engine:
    def __init__(self, folder, namespace):
        self.folder = folder
        self.namespace = namespace
        self.host = f"unix://{folder}/docker.sock"
        self.process = None

    def start(self):
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace}", "dockerd", "--data-root",
                 f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--host", self.host,
                 "--pidfile", f"{self.folder}/docker.pid"], stdin=subprocess.DEVNULL, stdout=log,
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

    def containers(self, run=None):
        """What `docker inspect` says of the containers of a run, or of all."""
        label = f"label=fondant.ai/run={run}" if run else "label=fondant.ai/run"
        ids = self.docker("ps", "-aq", "--filter", label).stdout.split()
        return json.loads(self.docker("inspect", *ids).stdout) if ids else []


@contextlib.contextmanager
def engine():
    subprocess.run([str(ROOT / "tests/deps"), "docker"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="fondant-docker."))
    namespace = f"fdk{os.getpid()}"
    found = Engine(folder, namespace)
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
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
