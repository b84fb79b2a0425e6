"""A namespace of its own for each test."""
import shutil

import pytest

from kit import Namespace


@pytest.fixture
def ns(operator):
    namespace = Namespace(operator)
    operator.kubectl("create", "namespace", namespace.name)
    yield namespace
    operator.kubectl("delete", "namespace", namespace.name, "--wait=false")
    shutil.rmtree(namespace.data, ignore_errors=True)
