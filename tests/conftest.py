"""Fixtures: an API server alone (`cp_kubectl`), and a cluster with a node on which the operator is
installed by Helm (`operator`). Both are made once a session and gone afterwards. `popen` is for the
processes of one test."""
import os
import signal
import subprocess

import pytest

from kit import ROOT, Cluster, Failed, helm_install


def pytest_configure():
    """A run that is told to end takes down what its fixtures started, as at Ctrl-C."""
    def end(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


@pytest.fixture
def popen():
    """subprocess.Popen, for processes that end with the test, however that ends."""
    started = []

    def start(*args, **settings):
        started.append(subprocess.Popen(*args, **settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def cp_cluster():
    cluster = Cluster(f"cp{os.getpid()}")
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def cp_kubectl(cp_cluster):
    """kubectl against an API server without a node: (args, stdin=None) -> CompletedProcess."""
    def kubectl(*args, stdin=None, input=None):
        return cp_cluster.kubectl(*args, stdin=stdin or input, check=False)
    return kubectl


@pytest.fixture(scope="session")
def node():
    """A cluster with a node, the component images in its registry."""
    cluster = Cluster(f"e2e{os.getpid()}", "--node", "--registry")
    try:
        cluster.up()
        cluster.exec(str(ROOT / "tests/images/push"), timeout=600)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def operator(node):
    """The operator in the cluster, installed by Helm with the role it ships."""
    image = subprocess.run([str(ROOT / "tests/operator-image")], capture_output=True, text=True,
                           timeout=900)
    if image.returncode:
        raise Failed(f"operator image: {image.stdout}{image.stderr}")
    archive, name = image.stdout.split()[-2:]
    node.control("load", node.name, archive)
    node.operator_image = name
    helm_install(node, name)
    return node
