"""Argument values as JSON that the operator's compiler reads back as the framework passes them.

The framework (dataset/compiler.py) gives a container `json.dumps(value)` for a dict or list and
`str(value)` for anything else. What JSON cannot hold, or what Kubernetes would change on the way,
is an error.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

_INT64 = range(-(2**63), 2**63)
_SEQUENCES = ("list", "tuple", "set")
# In a key nothing is replaced, and the compiler refuses what looks as if it should be.
_REFERENCE = re.compile(r"(?<!\$)\$\((parameters|run)\.")


class NotJSON(ValueError):
    """Message, and the path below the argument."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def escape(text: str) -> str:
    """`$(parameters.x)` and `$(run.x)` mean something to the operator; `$$(` is a plain `$(`."""
    return text.replace("$(", "$$(")


def to_json(value: t.Any, declared: str | None) -> t.Any:
    """A copy of an argument's value for `arguments`; `declared` is its type in the component file,
    None: unknown.

    Raises NotJSON.
    """
    if isinstance(value, (tuple, set, frozenset)):
        # The framework would pass the text "(1, 2)", which no component can read back.
        if declared not in _SEQUENCES:
            raise NotJSON(
                f"is a {type(value).__name__}, which the framework passes as the text "
                f"{str(value)[:60]!r}; give a list, or that text",
            )
        if not isinstance(value, tuple):
            raise NotJSON("is a set, which has no order; give a list")
    return _convert(value, "", escape)


def copy_json(value: t.Any) -> t.Any:
    """A copy of any other tree, whose text stays as it is. Raises NotJSON."""
    return _convert(value, "", str)


def _convert(value: t.Any, path: str, change: t.Callable[[str], str]) -> t.Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return change(_text(value, path))
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJSON(f"is {value}, which is no number of JSON", path)
        return float(value)
    if isinstance(value, dict):
        return {
            _key(key, path, change): _convert(item, f"{path}.{key}", change)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_convert(item, f"{path}[{i}]", change) for i, item in enumerate(value)]
    raise NotJSON(
        f"is a {type(value).__name__}, which is no type of JSON; "
        "give str, int, float, bool, list or dict",
        path,
    )


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotJSON("holds a lone surrogate, which is no character", path) from None
    if "\0" in value:
        raise NotJSON("holds a NUL, which no argument of a program can", path)
    return value


def _integer(value: int, path: str) -> int:
    if value not in _INT64:
        raise NotJSON(
            f"is {value}, over 64 bits, which Kubernetes would not keep exactly; "
            "give it as a string",
            path,
        )
    return value


def _key(key: t.Any, path: str, change: t.Callable[[str], str]) -> str:
    """As json.dumps writes it."""
    if isinstance(key, str):
        if change is escape and _REFERENCE.search(key):
            raise NotJSON(f"has the key {key!r}, which reads as a reference of the operator", path)
        return _text(key, path)
    if key is None or isinstance(key, (bool, int, float)):
        return t.cast(str, next(iter(json.loads(json.dumps({key: 0})))))
    raise NotJSON(f"has the key {key!r}, which is no string", path)
