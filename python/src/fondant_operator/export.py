"""A dataset of the framework to documents of fondant.ai/v1alpha1."""

from __future__ import annotations

import re
import typing as t
import warnings
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from fondant_operator import graph as graphs
from fondant_operator import names
from fondant_operator.arguments import NotJSON, copy_json, escape, to_json
from fondant_operator.errors import ExportError, Problem
from fondant_operator.field_types import type_to_dict

API_VERSION = "fondant.ai/v1alpha1"
# What the framework itself adds to a component's arguments (dataset/dataset.py, ComponentOp).
_OWN_ARGUMENTS = frozenset(["cache", "operation_spec", "input_partition_rows"])
_RANDOM_NAME = re.compile(r"dataset-\d{1,3}\Z")
# core/component_spec.py, ComponentSpec.__init__
_COMPONENT_KEYS = (
    "name",
    "image",
    "description",
    "tags",
    "consumes",
    "produces",
    "previous_index",
    "args",
)

Document = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Options:
    """What an export may be told."""

    name: str | None = None
    """metadata.name; default: the dataset's name as a label."""
    namespace: str | None = None
    working_directory: str | None = None
    """Default: that of the backend."""
    custom: str = "inline"
    """Components of the user's own: `inline` as component.spec, or `ref` as FondantComponents."""


class ExportWarning(UserWarning):
    """Something that an export cannot carry and a user should know."""


def export(dataset: t.Any, options: Options | None = None) -> list[Document]:
    """FondantComponents, if any, and then the FondantPipeline of a fondant.dataset.Dataset.

    The whole graph is exported that the dataset is part of, as the framework compiles it. Raises
    ExportError with everything that cannot be expressed.
    """
    return _Exporter(dataset, options or Options()).run()


class _Exporter:
    def __init__(self, dataset: t.Any, options: Options) -> None:
        if options.custom not in ("inline", "ref"):
            raise ValueError(f"custom is inline or ref, not {options.custom!r}")
        self.dataset = dataset
        self.options = options
        self.problems: list[Problem] = []
        self.components: list[Document] = []
        self.graph = graphs.read(dataset, self.problems)
        self.names = names.step_names(node.identity for node in self.graph.nodes)
        self.chain = self._is_chain()

    def run(self) -> list[Document]:
        if not self.graph.nodes:
            self._problem(None, "", "NoSteps", "the pipeline has no component")
        meta, spec = self._head()
        spec["steps"] = [self._step(node) for node in self.graph.nodes]
        if self.problems:
            raise ExportError(self.problems)
        pipeline = {
            "apiVersion": API_VERSION,
            "kind": "FondantPipeline",
            "metadata": meta,
            "spec": spec,
        }
        return [*self.components, pipeline]

    def _problem(self, node: graphs.Node | None, place: str, reason: str, message: str) -> None:
        self.problems.append(Problem(node.identity if node else "", place, reason, message))

    # --- the pipeline ---

    def _head(self) -> tuple[Document, Document]:
        dataset_name = self._dataset_name()
        name = self.options.name
        if name is None:
            name = names.to_label(dataset_name, names.PIPELINE_MAX)
        if not names.is_label(name, names.PIPELINE_MAX):
            self._problem(
                None,
                "metadata.name",
                "InvalidName",
                f"{name!r} is no name of a pipeline: at most {names.PIPELINE_MAX} lower-case "
                "letters, digits and -, beginning and ending with a letter or digit; give --name",
            )
        meta: Document = {"name": name}
        if self.options.namespace is not None:
            meta["namespace"] = self.options.namespace
        spec: Document = {}
        if self.dataset.description:
            spec["description"] = str(self.dataset.description)
        spec["datasetName"] = dataset_name
        if self.options.working_directory is not None:
            spec["workingDirectory"] = self.options.working_directory
        return meta, spec

    def _dataset_name(self) -> str:
        name = self.dataset.name
        if isinstance(name, str) and _RANDOM_NAME.match(name):
            if self.options.name is not None:
                return self.options.name
            warnings.warn(
                f"the dataset has no name, and the framework drew {name!r}: every export would be "
                "another pipeline; give Dataset.create a dataset_name, or --name",
                ExportWarning,
                stacklevel=2,
            )
        if not isinstance(name, str) or not names.is_segment(name):
            self._problem(
                None,
                "dataset_name",
                "InvalidName",
                f"{name!r} is no name of a dataset: 1 to 63 letters, digits, _, . and -, beginning "
                "with a letter or digit",
            )
            return ""
        return name

    def _is_chain(self) -> bool:
        """Whether each step reads the one before it, which needs no `from`."""
        nodes = self.graph.nodes
        if self.graph.manifest or not nodes:
            return False
        return not nodes[0].inputs and all(
            node.inputs == [before.identity] and not before.is_writer and not node.is_loader
            for before, node in zip(nodes, nodes[1:])
        )

    # --- a step ---

    def _step(self, node: graphs.Node) -> Document:
        operation = node.operation
        step: Document = {"name": self.names[node.identity]}
        step["component"] = self._component(node)
        self._reads(node, step)
        consumes = self._consumes(node)
        if consumes:
            step["consumes"] = consumes
        produces = self._mapping(node, "produces", operation.operation_spec._mappings["produces"])
        if produces:
            step["produces"] = produces
        arguments = self._arguments(node)
        if arguments:
            step["arguments"] = arguments
        rows = self._rows(node)
        if rows is not None:
            step["inputPartitionRows"] = rows
        if not operation.cache:
            # None gives the container no --cache at all, which it reads as no.
            step["cache"] = {"policy": "Never"}
        self._resources(node, step)
        return step

    def _reads(self, node: graphs.Node, step: Document) -> None:
        if node.inputs and node.is_loader:
            self._problem(
                node,
                "",
                "AppliedLoader",
                "it is applied to a dataset, but it loads one; it would not see the dataset, and "
                "what it makes would not be joined to it; begin a pipeline of its own with "
                "Dataset.create"
                if node.is_python
                else "it is applied to a dataset, but its component file has no `consumes`, and "
                "such a component is a loader here; say in its file what it consumes",
            )
        elif self.chain:
            return
        elif node.inputs:
            step["from"] = [self.names[identity] for identity in node.inputs]
        elif self.graph.manifest:
            step["fromManifest"] = escape(self.graph.manifest)

    # --- components ---

    def _component(self, node: graphs.Node) -> Document:
        if node.is_python:
            return {"python": self._python(node)}
        folder = node.operation.component_dir
        if folder is not None and _is_reusable(Path(folder)):
            version = metadata.version("fondant")
            return {"catalog": {"name": Path(folder).name, "version": version}}
        if node.operation.dockerfile_path is not None:
            warnings.warn(
                f"component {node.identity!r} has a Dockerfile, which the framework builds on the "
                f"way; the operator runs {node.specification['image']!r} as it is: build and push "
                "it first (fondant build)",
                ExportWarning,
                stacklevel=2,
            )
        spec = self._specification(node)
        if self.options.custom == "inline":
            return {"spec": spec}
        name = self.names[node.identity]
        meta = {"name": name}
        if self.options.namespace is not None:
            meta["namespace"] = self.options.namespace
        self.components.append(
            {"apiVersion": API_VERSION, "kind": "FondantComponent", "metadata": meta, "spec": spec},
        )
        return {"ref": {"name": name}}

    def _specification(self, node: graphs.Node) -> Document:
        spec = {
            key: node.specification[key] for key in _COMPONENT_KEYS if key in node.specification
        }
        return t.cast(Document, self._tree(node, spec, "component file"))

    def _python(self, node: graphs.Node) -> Document:
        image = node.operation.image
        out: Document = {"image": image.base_image}
        if image.extra_requires:
            out["requirements"] = [str(item) for item in image.extra_requires]
        out["source"] = image.script
        if node.base is None:
            self._problem(
                node,
                "",
                "UnknownBase",
                "its class is not derived from DaskLoadComponent, DaskTransformComponent, "
                "PandasTransformComponent or DaskWriteComponent by one of these names",
            )
        if "\0" in image.script or any(0xD800 <= ord(c) <= 0xDFFF for c in image.script):
            self._problem(node, "source", "InvalidSource", "its source is not plain text")
            out["source"] = ""
        # What loads says nothing of what it consumes, and reads nothing.
        if not node.is_loader:
            out["consumes"] = self._fields(node, "consumes")
        out["produces"] = self._fields(node, "produces")
        args = self._tree(node, node.specification.get("args") or {}, "args")
        for argument in args.values():
            # The framework's str(None).
            if argument.get("description") == "None":
                del argument["description"]
        if args:
            out["args"] = args
        return out

    def _fields(self, node: graphs.Node, which: str) -> Document:
        # The decorator's {} is nothing at all in the specification.
        fields = node.specification.get(which) or {"additionalProperties": False}
        return t.cast(Document, self._tree(node, fields, which))

    def _tree(self, node: graphs.Node, value: t.Any, place: str) -> t.Any:
        """A copy of a tree of the component file, where JSON can hold it."""
        try:
            return copy_json(value)
        except NotJSON as error:
            self._problem(node, place + error.path, "NotJSON", str(error))
            return {}

    # --- mappings ---

    def _consumes(self, node: graphs.Node) -> Document:
        mapping = node.operation.operation_spec._mappings["consumes"]
        if node.is_loader or mapping is None or self._is_inferred(node, mapping):
            return {}
        return self._mapping(node, "consumes", mapping)

    def _is_inferred(self, node: graphs.Node, mapping: t.Mapping[str, t.Any]) -> bool:
        """Whether it is what both the framework and the operator take when none is given."""
        spec = node.operation.component_spec
        if any(isinstance(value, str) for value in mapping.values()):
            return False
        if spec.consumes_additional_properties:
            if node.fields is None:
                return False
            usual = {name: field.type.value for name, field in node.fields.items()}
        else:
            usual = {name: field.type.value for name, field in spec.consumes.items()}
        return dict(mapping) == usual

    def _mapping(
        self,
        node: graphs.Node,
        which: str,
        mapping: t.Mapping[str, t.Any] | None,
    ) -> Document:
        out: Document = {}
        for key, value in (mapping or {}).items():
            if isinstance(value, str):
                out[key] = {"field": value}
                continue
            try:
                out[key] = type_to_dict(value)
            except ValueError as error:
                self._problem(node, f"{which}.{key}", "UnsupportedType", str(error))
        return out

    # --- arguments ---

    def _arguments(self, node: graphs.Node) -> Document:
        declared = node.specification.get("args") or {}
        out: Document = {}
        for name, value in node.operation.arguments.items():
            if name in _OWN_ARGUMENTS:
                continue
            argument = declared.get(name) or {}
            if value is None:
                self._none(node, name, argument)
                continue
            try:
                out[name] = to_json(value, argument.get("type"))
            except NotJSON as error:
                self._problem(node, f"arguments.{name}{error.path}", "NotJSON", str(error))
        return out

    def _none(self, node: graphs.Node, name: str, argument: t.Mapping[str, t.Any]) -> None:
        """The framework passes None, which the container reads as no value; here an argument that
        is not given has its default."""
        if argument.get("default") == "None":
            return
        why = (
            f"the component would use its default, {argument['default']!r}"
            if argument.get("default") is not None
            else "the component requires it"
        )
        self._problem(
            node,
            f"arguments.{name}",
            "NoneArgument",
            f"None is no value here, and without one {why}; leave it out, or give it the default "
            "None in the component",
        )

    def _rows(self, node: graphs.Node) -> int | None:
        rows = node.operation.input_partition_rows
        if rows is None:
            rows = node.operation.arguments.get("input_partition_rows")
        if rows is None:
            return None
        try:
            number = int(rows)
        except (TypeError, ValueError):
            number = 0
        if number < 1 or isinstance(rows, (bool, float)):
            self._problem(
                node,
                "input_partition_rows",
                "InvalidRows",
                f"is {rows!r}, and the executor takes a whole number of at least 1; leave it out "
                "for partitions by the number of processors",
            )
            return None
        return number

    # --- resources ---

    def _resources(self, node: graphs.Node, step: Document) -> None:
        given = node.operation.resources
        amounts: Document = {}
        for kind, suffix in (("requests", "request"), ("limits", "limit")):
            wanted = {
                what: str(value)
                for what in ("cpu", "memory")
                if (value := getattr(given, f"{what}_{suffix}")) is not None
            }
            if wanted:
                amounts[kind] = wanted
        if amounts:
            step["resources"] = amounts
        if given.accelerator_name:
            count = given.accelerator_number
            if isinstance(count, str) and count.isdigit():
                count = int(count)
            step["accelerator"] = {"type": str(given.accelerator_name), "count": count}
        if given.instance_type:
            step["instanceType"] = str(given.instance_type)
        if given.node_pool_label:
            selector = {str(given.node_pool_label): str(given.node_pool_name)}
            step["podTemplate"] = {"spec": {"nodeSelector": selector}}


def _is_reusable(folder: Path) -> bool:
    """Whether it is one of the framework's own components."""
    home = Path(str(resources.files("fondant"))) / "components"
    return folder.resolve().parent == home.resolve()
