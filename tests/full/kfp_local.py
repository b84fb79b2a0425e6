"""Executes a document for Kubeflow Pipelines by kfp's local runner: python kfp_local.py ROOT DOCUMENT,
in the environment of `tests/deps kfp-local`, on the engine at $DOCKER_HOST. ROOT is mounted into every
container where it is. Ends with 1 when a task fails."""
import sys

from kfp import components, local

root, document = sys.argv[1:]
# As on Kubernetes, a container's command stands instead of the image's entrypoint.
local.init(local.DockerRunner(entrypoint=[]), pipeline_root=root, raise_on_error=True)
try:
    components.load_component_from_file(document)()
except RuntimeError as error:
    sys.exit(str(error))
