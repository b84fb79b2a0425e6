"""JSON trees to YAML that every reader takes for the same.

YAML 1.1 (PyYAML, libyaml), kubectl and the operator differ in what a plain scalar is: `on`, `1e5`,
`0x1f`, `2024-01-01`, `~`. So a string stands plain only where no reader can take it for anything
else, text of several lines is a literal block only where that is exact, and all other strings are
in double quotes.
"""

from __future__ import annotations

import math
import re
import typing as t

# A letter first: no number, date or special float begins so.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_ ./:@=+,;()%*'-]*\Z")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"])
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
}
_WIDTH = 100


def to_yaml(documents: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """Documents of maps, lists, strings, numbers, booleans and None, in block style.

    Raises ValueError for anything else, and for NaN, infinities and lone surrogates.
    """
    return "---\n".join("".join(_mapping(document, 0)) for document in documents)


def _is_printable(char: str) -> bool:
    """Whether the character may stand as it is; not the line breaks of YAML 1.1."""
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"lone surrogate U+{code:04X}")
    if char in "\u2028\u2029\ufeff\ufffe\uffff":
        return False
    return 0x20 <= code <= 0x7E or code >= 0xA0


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.match(text) is not None
        and text.lower() not in _WORDS
        and text == text.strip()
        and ": " not in text
        and not text.endswith(":")
        and len(text) <= _WIDTH
    )


def _quoted(text: str) -> str:
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif _is_printable(char):
            out.append(char)
        else:
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
    return '"' + "".join(out) + '"'


def _is_block(text: str) -> bool:
    """Whether a literal block holds exactly this text."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and text.strip("\n") != ""
        and all(line.strip(" \t") or not line for line in lines)
        and all(_is_printable(char) or char in "\n\t" for char in text)
    )


def _block(text: str, indent: int) -> t.Iterator[str]:
    """Header and lines of a literal block; the header follows the key."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    chomp = {0: "-", 1: ""}.get(ends, "+")
    # Readers guess the indentation from the first line with something in it.
    hint = "2" if text[0] in " \t\n" else ""
    yield f"|{hint}{chomp}\n"
    pad = " " * indent
    for line in body.split("\n"):
        yield f"{pad}{line}\n" if line else "\n"
    for _ in range(ends - 1):
        yield "\n"


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    if e and exponent[0] not in "+-":
        exponent = "+" + exponent
    return mantissa + e + exponent


def _scalar(value: t.Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    raise ValueError(f"{type(value).__name__} is no type of JSON")


def _value(value: t.Any, indent: int, inside: int) -> t.Iterator[str]:
    """What follows `key:` or `-`, to the end of the line and the lines below; `inside` is the
    indentation of what stands below."""
    if isinstance(value, t.Mapping) and value:
        yield "\n"
        yield from _mapping(value, inside)
    elif isinstance(value, (list, tuple)) and value:
        yield "\n"
        yield from _sequence(value, indent)
    elif isinstance(value, t.Mapping):
        yield " {}\n"
    elif isinstance(value, (list, tuple)):
        yield " []\n"
    elif isinstance(value, str) and _is_block(value):
        yield " "
        yield from _block(value, inside)
    else:
        yield f" {_scalar(value)}\n"


def _mapping(mapping: t.Mapping[str, t.Any], indent: int) -> t.Iterator[str]:
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise ValueError(f"key {key!r} is no string")
        pad, text = " " * indent, _scalar(key)
        # From 1024 characters on a key needs the form that marks it.
        yield f"{pad}? {text}\n{pad}:" if len(text) > 2 * _WIDTH else f"{pad}{text}:"
        yield from _value(value, indent, indent + 2)


def _sequence(items: t.Sequence[t.Any], indent: int) -> t.Iterator[str]:
    pad = " " * indent
    for item in items:
        if isinstance(item, t.Mapping) and item:
            # The first key stands behind the dash.
            text = "".join(_mapping(item, indent + 2))
            yield f"{pad}- {text[indent + 2:]}"
        elif isinstance(item, (list, tuple)) and item:
            text = "".join(_sequence(item, indent + 2))
            yield f"{pad}- {text[indent + 2:]}"
        else:
            yield f"{pad}-"
            yield from _value(item, indent, indent + 2)
