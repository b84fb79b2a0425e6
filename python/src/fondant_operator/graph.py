"""The graph of a framework's dataset, read and never changed.

`Dataset._graph` is an ordered map from component id to {operation, dependencies, output_dataset},
shared by all datasets that were derived from each other. `Dataset.validate()` sorts it in place,
so it is not called here.
"""

from __future__ import annotations

import ast
import typing as t
from dataclasses import dataclass, field

from fondant_operator.errors import Problem

_LOADERS = frozenset(["DaskLoadComponent"])
_WRITERS = frozenset(["DaskWriteComponent"])
_BASES = _LOADERS | _WRITERS | frozenset(["DaskTransformComponent", "PandasTransformComponent"])


@dataclass
class Node:
    """One operation of the pipeline."""

    identity: str
    operation: t.Any
    """fondant.dataset.ComponentOp"""
    specification: dict[str, t.Any]
    """The component file as a tree of its own."""
    inputs: list[str] = field(default_factory=list)
    """Ids of the components whose dataset it reads; a writer's is that of the writer's input."""
    fields: t.Mapping[str, t.Any] | None = None
    """Fields of the dataset that it reads; None: not known to the framework."""
    base: str | None = None
    """Base class of a Python component; None: another kind, or it cannot be told."""

    @property
    def is_python(self) -> bool:
        return bool(self.operation.image.script)

    @property
    def is_loader(self) -> bool:
        return self.base in _LOADERS if self.is_python else not self.specification.get("consumes")

    @property
    def is_writer(self) -> bool:
        if self.is_python:
            return self.base in _WRITERS
        consumes = self.specification.get("consumes") or {}
        return (
            bool(consumes.get("additionalProperties"))
            and not self.specification.get("produces")
            and "Data writing" in (self.specification.get("tags") or [])
        )


@dataclass
class Graph:
    """All nodes, each after what it reads."""

    nodes: list[Node]
    manifest: str | None
    """Where the dataset that the pipeline begins with was read from (Dataset.read); None: a
    component loads it."""


def read(dataset: t.Any, problems: list[Problem]) -> Graph:
    """The graph behind a dataset; what is wrong with it goes to `problems`."""
    entries = dict(dataset._graph)
    nodes = {identity: _node(identity, entry) for identity, entry in entries.items()}
    order = _sort(entries, problems)
    manifest = dataset.manifest.metadata.get("manifest_location")
    roots = [identity for identity in order if not entries[identity]["dependencies"]]
    if not manifest:
        lost = [root for root in roots if _reads_something(entries[root], nodes[root])]
        problems.extend(map(_lost_input, lost or roots[1:]))
    graph = Graph([nodes[identity] for identity in order], str(manifest) if manifest else None)
    for node in graph.nodes:
        dependencies = entries[node.identity]["dependencies"]
        node.inputs = [_past_writers(entries, nodes, identity) for identity in dependencies]
        if dependencies:
            source = entries[dependencies[0]]["output_dataset"]
            node.fields = dict(source.manifest.fields)
    return graph


def _node(identity: str, entry: t.Mapping[str, t.Any]) -> Node:
    operation = entry["operation"]
    node = Node(identity, operation, operation.component_spec.specification)
    if node.is_python:
        node.base = base_of(operation.image.script)
    return node


def base_of(script: str) -> str | None:
    """The framework's class that the component of a script is derived from."""
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError):
        return None
    for statement in reversed(tree.body):
        if not isinstance(statement, ast.ClassDef):
            continue
        for base in statement.bases:
            name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", None)
            if name in _BASES:
                return name
    return None


def _reads_something(entry: t.Mapping[str, t.Any], node: Node) -> bool:
    """Whether the dataset after it has fields that it does not make: Dataset.create begins with an
    empty manifest."""
    made = set(node.operation.operation_spec.produces_to_dataset)
    return bool(set(entry["output_dataset"].manifest.fields) - made)


def _past_writers(
    entries: t.Mapping[str, t.Any],
    nodes: t.Mapping[str, Node],
    identity: str,
) -> str:
    """The framework hands a writer's dataset on as it came; the writer itself leaves none."""
    seen = set()
    while nodes[identity].is_writer and identity not in seen:
        seen.add(identity)
        dependencies = entries[identity]["dependencies"]
        if not dependencies:
            break
        identity = dependencies[0]
    return identity


def _sort(entries: t.Mapping[str, t.Any], problems: list[Problem]) -> list[str]:
    """Each after its dependencies, otherwise as they were defined (as Dataset.sort_graph does)."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(identity: str) -> None:
        stack = [(identity, iter(entries[identity]["dependencies"]))]
        state[identity] = False
        while stack:
            at, rest = stack[-1]
            for dependency in rest:
                if state.get(dependency) is False:
                    problems.append(_twice(at, dependency))
                elif dependency not in state:
                    state[dependency] = False
                    stack.append((dependency, iter(entries[dependency]["dependencies"])))
                    break
            else:
                stack.pop()
                state[at] = True
                order.append(at)

    for identity in entries:
        if identity not in state:
            visit(identity)
    return order


def _twice(identity: str, dependency: str) -> Problem:
    return Problem(
        dependency if dependency == identity else identity,
        "",
        "ComponentTwice",
        "the pipeline uses a component of this name twice, and the framework kept only the last "
        "use, so the graph goes in a circle; give the component another name for its second use",
    )


def _lost_input(identity: str) -> Problem:
    return Problem(
        identity,
        "",
        "UnknownInput",
        "what it reads is not in the graph: the pipeline uses a component of one name twice, and "
        "the framework kept only the last use (give it another name for its second use), or the "
        "manifest that was read does not say where it is (metadata.manifest_location)",
    )
