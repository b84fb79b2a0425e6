"""From `pipeline.py:dataset` to the object."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import typing as t
from pathlib import Path
from types import ModuleType

from fondant_operator.errors import LoadError


def load(reference: str) -> t.Any:
    """The dataset that a reference names.

    `module.py`, `folder/module.py` or `package.module`, then optionally `:` and a variable, a
    function, or a call of one with literal arguments, as the framework's own command line takes
    them. Without `:` the module must hold one pipeline. The user's code is run, and what it raises
    passes through. Raises LoadError.
    """
    place, expression = _split(reference)
    module = _module(place)
    if expression is None:
        return _only_dataset(module, place)
    return _evaluate(module, expression)


def _split(reference: str) -> tuple[str, str | None]:
    place, colon, expression = reference.partition(":")
    if not place:
        raise LoadError(f"{reference!r} names no file; write pipeline.py or pipeline.py:dataset")
    if colon and not expression.strip():
        raise LoadError(f"{reference!r} names nothing behind the colon")
    return place, expression.strip() if colon else None


def _module(place: str) -> ModuleType:
    _search("")
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            # One that the user's own module misses is another matter.
            if error.name and (place == error.name or place.startswith(error.name + ".")):
                raise LoadError(f"there is no module {place}") from None
            raise
    path = Path(place)
    if not path.is_file():
        raise LoadError(f"there is no file {place}")
    _search(str(path.resolve().parent))
    return _file(path)


def _search(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _file(path: Path) -> ModuleType:
    name = path.stem
    # A module of the same name that is there already must not be hidden by this one.
    if name in sys.modules:
        name = f"_pipeline_{name}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # inspect.getsource, which the framework uses, looks there for the module of a class.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _is_dataset(value: t.Any) -> bool:
    from fondant.dataset import Dataset

    return isinstance(value, Dataset)


def _only_dataset(module: ModuleType, place: str) -> t.Any:
    found: dict[int, tuple[str, t.Any]] = {}
    for name, value in vars(module).items():
        # Datasets that were derived from each other share one graph, and are one pipeline.
        if _is_dataset(value):
            found.setdefault(id(value._graph), (name, value))
    if not found:
        raise LoadError(
            f"{place} holds no dataset; name a function that makes one, as {place}:make",
        )
    if len(found) > 1:
        all_of_them = ", ".join(name for name, _ in found.values())
        raise LoadError(
            f"{place} holds {len(found)} pipelines ({all_of_them}); say which, as {place}:"
            f"{next(iter(found.values()))[0]}",
        )
    return next(iter(found.values()))[1]


def _evaluate(module: ModuleType, expression: str) -> t.Any:
    name, arguments, keywords = _parse(expression)
    if not hasattr(module, name):
        raise LoadError(f"{module.__name__} has no {name}")
    value = getattr(module, name)
    if inspect.isfunction(value):
        try:
            inspect.signature(value).bind(*arguments, **keywords)
        except TypeError as error:
            raise LoadError(f"{expression}: {error}") from None
        value = value(*arguments, **keywords)
    if not _is_dataset(value):
        raise LoadError(f"{expression} is a {type(value).__name__}, not a dataset")
    return value


def _parse(expression: str) -> tuple[str, list[t.Any], dict[str, t.Any]]:
    wrong = LoadError(f"{expression!r} is neither a name nor a call with literal arguments")
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise wrong from None
    if isinstance(tree, ast.Name):
        return tree.id, [], {}
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise wrong
    try:
        arguments = [ast.literal_eval(item) for item in tree.args]
        keywords = {str(item.arg): ast.literal_eval(item.value) for item in tree.keywords}
    except ValueError:
        raise wrong from None
    if "None" in keywords:
        raise wrong
    return tree.func.id, arguments, keywords
