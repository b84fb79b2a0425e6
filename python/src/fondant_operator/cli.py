"""python -m fondant_operator"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import traceback
import typing as t
import warnings
from pathlib import Path

from fondant_operator import names
from fondant_operator.errors import ExportError, LoadError
from fondant_operator.export import ExportWarning, Options, export
from fondant_operator.load import load
from fondant_operator.yaml_text import to_yaml

OK, FINDINGS, USAGE = 0, 1, 2

_EXPORT_HELP = """\
Imports a module that defines a pipeline with the framework (0.12), and writes the pipeline as a
FondantPipeline. The whole graph is exported that the dataset is part of; a module that holds one
pipeline needs no :DATASET.

  components of your own     component.spec, or with --custom ref a FondantComponent beside it
  reusable components        component.catalog
  Python components          component.python, with the source as the framework would send it
"""
_EXPORT_EXAMPLES = """\
examples:
  python -m fondant_operator export pipeline.py > pipeline.yaml
  python -m fondant_operator export flows/text.py:clean --name clean-text --namespace data
  python -m fondant_operator export "pipeline.py:make(rows=100)" -o pipeline.yaml
  python -m fondant_operator export pipeline.py --working-directory s3://lake/fondant |
    kubectl fondant validate -f -

exit codes:
  0  written
  1  the pipeline cannot be expressed, or its module raised an error; all problems are on stderr
  2  wrong usage: no such file, no such dataset
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fondant_operator",
        description="Pipelines of the Fondant framework as objects of the operator.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    command = commands.add_parser(
        "export",
        help="write a pipeline as YAML",
        description=_EXPORT_HELP,
        epilog=_EXPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "reference",
        metavar="pipeline.py[:DATASET]",
        help="file or module, and the variable, function or call that is the dataset",
    )
    command.add_argument(
        "--name",
        metavar="NAME",
        help="name of the FondantPipeline (default: the dataset's)",
    )
    command.add_argument("--namespace", "-n", metavar="NS", help="its namespace (default: none)")
    command.add_argument(
        "--working-directory",
        metavar="D",
        help="where data goes, as s3://bucket/folder (default: the backend says)",
    )
    command.add_argument(
        "--custom",
        choices=["inline", "ref"],
        default="inline",
        help="components of your own inside the pipeline, or beside it (default: inline)",
    )
    command.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="write to a file instead of standard output",
    )
    return parser


def main(argv: t.Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.namespace is not None and not names.is_label(arguments.namespace):
        return _fail(USAGE, f"--namespace: {arguments.namespace!r} is not the name of a namespace")
    return _export(arguments)


def _fail(code: int, message: str) -> int:
    print(f"fondant_operator: {message}", file=sys.stderr)
    return code


def _export(arguments: argparse.Namespace) -> int:
    # The framework logs to the root logger while it defines a pipeline; the YAML has stdout.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    try:
        dataset = _quietly(lambda: load(arguments.reference))
    except LoadError as error:
        return _fail(USAGE, str(error))
    except Exception as error:  # noqa: BLE001 - whatever the user's module raises
        return _fail(FINDINGS, _describe(error, arguments.reference))
    options = Options(
        name=arguments.name,
        namespace=arguments.namespace,
        working_directory=arguments.working_directory,
        custom=arguments.custom,
    )
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ExportWarning)
            text = to_yaml(export(dataset, options))
    except ExportError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return _fail(FINDINGS, f"{arguments.reference} cannot be exported")
    except ValueError as error:
        return _fail(FINDINGS, f"{arguments.reference} cannot be exported: {error}")
    for warning in caught:
        if issubclass(warning.category, ExportWarning):
            print(f"warning: {warning.message}", file=sys.stderr)
    return _write(text, arguments.output)


def _quietly(make: t.Callable[[], t.Any]) -> t.Any:
    """What the user's module prints must not become YAML."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()
    finally:
        sys.stdout = stdout


def _describe(error: Exception, reference: str) -> str:
    """`pipeline.py:12: InvalidDatasetDefinition: ...`, with the user's own line."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _is_foreign(frame.filename)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        at = f"{error.filename}:{error.lineno}"
    elif frames:
        at = f"{frames[-1].filename}:{frames[-1].lineno}"
    else:
        at = reference
    return f"{at}: {type(error).__name__}: {error}"


def _is_foreign(filename: str) -> bool:
    path = Path(filename)
    return (
        filename.startswith("<")
        or "site-packages" in path.parts
        or path.parent == Path(__file__).parent
        or path.is_relative_to(Path(os.__file__).parent)
    )


def _write(text: str, output: str | None) -> int:
    if output is None:
        # The text is UTF-8 whatever the locale says.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return OK
    path = Path(output)
    try:
        # All or nothing: a file that a build tool picks up is never half written.
        with tempfile.NamedTemporaryFile(
            "wb",
            dir=path.resolve().parent,
            prefix=path.name,
            delete=False,
        ) as file:
            file.write(text.encode())
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        return _fail(USAGE, f"cannot write {output}: {error.strerror}")
    return OK
