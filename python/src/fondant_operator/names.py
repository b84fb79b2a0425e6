"""Names of the framework to names of Kubernetes."""

from __future__ import annotations

import re
import typing as t

PIPELINE_MAX = 40
LABEL_MAX = 63
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")


def is_label(name: str, longest: int = LABEL_MAX) -> bool:
    """Whether it is an RFC 1123 label of at most so many characters."""
    return len(name) <= longest and _LABEL.match(name) is not None


def is_segment(name: str) -> bool:
    """Whether it can be a dataset's name: one segment of a path."""
    return _SEGMENT.match(name) is not None


def to_label(name: str, longest: int = LABEL_MAX) -> str:
    """The label that is nearest to the name; empty where none of its characters can stay."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return label[:longest].strip("-")


def step_names(ids: t.Iterable[str]) -> dict[str, str]:
    """Component id -> name of its step, unique and the same every time."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    for identity in ids:
        label = name = to_label(identity) or "step"
        number = 2
        while name in taken:
            ending = f"-{number}"
            name = label[: LABEL_MAX - len(ending)].strip("-") + ending
            number += 1
        taken.add(name)
        names[identity] = name
    return names
