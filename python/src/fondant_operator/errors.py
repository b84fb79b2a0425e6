"""What is said when a pipeline cannot be exported."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that a FondantPipeline cannot express, with what to do about it."""

    component: str
    """Id of the component as the framework has it; empty: the pipeline as a whole."""
    place: str
    """Path below the component, as `arguments.x`; may be empty."""
    reason: str
    """One word for programs, in CamelCase."""
    message: str

    def __str__(self) -> str:
        where = f"component {self.component!r}" if self.component else "the pipeline"
        at = f", {self.place}" if self.place else ""
        return f"{where}{at}: {self.message} [{self.reason}]"


class ExportError(Exception):
    """Holds every problem that was found, never only the first."""

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class LoadError(Exception):
    """A reference such as `pipeline.py:dataset` that names no pipeline."""

    def __init__(self, message: str, usage: bool = True) -> None:
        super().__init__(message)
        self.usage = usage
        """Whether the reference itself is wrong, not the module behind it."""
