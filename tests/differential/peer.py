"""The framework, driven as its own compilers and executor drive it."""

import contextlib
import importlib.util
import io
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from fondant.component.executor import PandasTransformExecutor  # noqa: E402
from fondant.core.component_spec import OperationSpec  # noqa: E402
from fondant.dataset import Dataset  # noqa: E402
from fondant.dataset.compiler import DockerCompiler  # noqa: E402

OWN_ARGUMENTS = ("cache", "operation_spec", "input_partition_rows")
RUN_ID = "20240101000000"
# Only the clock makes two exports of the framework differ.
Dataset.get_run_id = staticmethod(lambda name: f"{name}-{RUN_ID}")


def load(path, change=None):
    """The module of a pipeline, its source changed by (old, new) pairs first. A file of its own, so
    that inspect.getsource finds the classes."""
    path = Path(path)
    with contextlib.ExitStack() as stack:
        if change:
            text = path.read_text()
            for old, new in change:
                assert old in text, f"{path} no longer says {old!r}"
                text = text.replace(old, new)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent)))
            source = folder / "changed.py"
            source.write_text(text.replace("Path(__file__).parent", "Path(__file__).parent.parent"))
        else:
            source = path
        spec = importlib.util.spec_from_file_location(f"pipeline_{abs(hash(source))}", source)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


def make(path, change=None, name="dataset"):
    return getattr(load(path, change), name)


def argv(dataset):
    """Component id -> what the framework's docker compiler tells its container."""
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/docker-compose.yml"
        DockerCompiler().compile(dataset, working_directory="s3://bucket/data", output_path=out)
        services = yaml.safe_load(Path(out).read_text())["services"]
    return {name: service["command"] for name, service in services.items()}


def operations(dataset):
    """Per component, in graph order, what the framework makes of the pipeline."""
    commands = argv(dataset)
    out = {}
    for identity, info in dataset._graph.items():
        operation = info["operation"]
        out[identity] = {
            "dependencies": list(info["dependencies"]),
            "argv": commands[identity],
            "arguments": {k: v for k, v in operation.arguments.items() if k not in OWN_ARGUMENTS},
            "operation_spec": json.loads(operation.operation_spec.to_json()),
            "schema": {n: f.type.to_dict() for n, f in info["output_dataset"].fields.items()},
            "image": operation.image.base_image,
            "script": operation.image.script,
            "requirements": operation.image.extra_requires,
            "reusable": operation.component_dir is not None
            and operation.component_dir.parent.name == "components"
            and operation.component_dir.parent.parent.name == "fondant",
        }
    return out


def received(args):
    """What a component's constructor is given for these arguments of its container: the executor's
    own parsers. An error where the executor would end."""
    flags = dict(zip(args, args[1:]))
    spec = OperationSpec.from_json(flags["--operation_spec"])
    saved, sys.argv = sys.argv, ["main", *args]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            executor = PandasTransformExecutor.from_spec(
                spec, cache=False, input_partition_rows=None, working_directory="x"
            )
    except SystemExit as error:
        return f"exit code {error.code}"
    except ValueError as error:
        return f"ValueError: {error}"
    finally:
        sys.argv = saved
    return executor.user_arguments
