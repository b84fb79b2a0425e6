"""Random pipelines: a model that is drawn once and written twice, for the framework and by hand as
a FondantPipeline."""

import copy

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "d"]
ODD_NAMES = ["index", "id", "größe", "a b"]
TYPES = [
    {"type": "string"},
    {"type": "string"},
    {"type": "utf8"},
    {"type": "int64"},
    {"type": "float32"},
    {"type": "bool"},
    {"type": "timestamp"},
    {"type": "string", "format": "date-time"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "properties": {"x": {"type": "int32"}, "y": {"type": "timestamp"}}},
]
# Not for component files, or no types at all.
MAPPING_TYPES = [*TYPES, {"type": "decimal128"}, {"type": "large_utf8"}]
WRONG_TYPES = [{"type": "text"}, {"type": "decimal"}, {"type": "array"}, {"type": "large_utf8"}]
ARGUMENTS = {
    "str": ["x", "", "a b", "-x"],
    "int": [0, 7, -1],
    "float": [0.5, 3, -0.5],
    "bool": [True, False],
    "dict": [{}, {"k": [1, None]}],
    "list": [[], ["x", {"y": 1}]],
}
# A mapping's value that is neither a name nor a type.
JUNK = 3

rarely = st.sampled_from([False] * 24 + [True])
seldom = st.sampled_from([False] * 9 + [True])
sometimes = st.sampled_from([False] * 3 + [True])
often = st.sampled_from([False] + [True] * 4)
mostly = st.sampled_from([False] + [True] * 14)


@st.composite
def fields(draw, known, minimum=0):
    """Fields of a component file, mostly such as are known already."""
    out = {}
    for _ in range(draw(st.integers(minimum, 2))):
        if known and draw(mostly):
            name = draw(st.sampled_from(sorted(known)))
            out[name] = known[name] if draw(mostly) else draw(st.sampled_from(TYPES))
        else:
            name = draw(st.sampled_from(ODD_NAMES if draw(rarely) else NAMES))
            out[name] = draw(st.sampled_from(WRONG_TYPES if draw(rarely) else TYPES))
    return out


@st.composite
def mapping(draw, declared, generic, known):
    """What a user gives as consumes or produces; None: nothing."""
    if not draw(sometimes):
        return None
    out = {}
    for _ in range(draw(st.integers(1, 2))):
        new = generic or draw(seldom) or not declared
        key = draw(st.sampled_from(NAMES if new else sorted(declared)))
        kind = draw(st.integers(0, 20))
        if kind == 0:
            out[key] = JUNK
        elif kind < 10:
            source = sorted(known) if known and draw(mostly) else NAMES + ODD_NAMES
            out[key] = {"field": draw(st.sampled_from(source))}
        elif key in declared and draw(often):
            out[key] = declared[key]
        elif key in known and draw(often):
            out[key] = known[key]
        else:
            out[key] = draw(st.sampled_from(MAPPING_TYPES))
    return out


@st.composite
def component(draw, name, known, first):
    """A component file as a map."""
    out = {"name": name, "image": "r/c:1", "description": "d"}
    if not first or draw(rarely):
        consumes = draw(fields(known, minimum=0 if draw(rarely) else 1))
        if draw(sometimes):
            consumes["additionalProperties"] = True
        out["consumes"] = consumes
    produces = draw(fields({}, minimum=1 if first else 0))
    if draw(sometimes):
        produces["additionalProperties"] = True
    out["produces"] = produces
    if not first and draw(seldom):
        out["previous_index"] = draw(st.sampled_from(NAMES))
    if draw(sometimes):
        kind = draw(st.sampled_from(sorted(ARGUMENTS)))
        out["args"] = {draw(st.sampled_from(["x", "rows"])): {"type": kind, "description": "d"}}
        if draw(sometimes):
            (argument,) = out["args"].values()
            argument["default"] = draw(st.sampled_from([*ARGUMENTS[kind], "None"]))
    return out


@st.composite
def arguments(draw, declared):
    out = {}
    for name, argument in declared.items():
        if draw(mostly):
            kind = argument["type"] if draw(mostly) else draw(st.sampled_from(sorted(ARGUMENTS)))
            out[name] = draw(st.sampled_from(ARGUMENTS[kind]))
    if draw(rarely):
        out["zz"] = 1
    return out


def split(declared):
    declared = dict(declared or {})
    generic = bool(declared.pop("additionalProperties", False))
    return declared, generic


@st.composite
def pipelines(draw):
    """[{component, parent, consumes, produces, arguments, rows}], in the order of definition."""
    steps, after = [], []
    for index in range(draw(st.integers(1, 4))):
        parent = -1 if not index else index - 1 if draw(often) else draw(st.integers(0, index - 1))
        known = after[parent] if index else {}
        twice = bool(index) and draw(rarely)
        spec = (
            copy.deepcopy(steps[-1]["component"])
            if twice
            else draw(component(f"c{index}", known, not index))
        )
        consumes, takes_any = split(spec.get("consumes"))
        produces, makes_any = split(spec.get("produces"))
        step = {
            "component": spec,
            "parent": parent,
            "consumes": draw(mapping(consumes, takes_any, known)) if index else None,
            "produces": draw(mapping(produces, makes_any, {})),
            "arguments": draw(arguments(spec.get("args", {}))),
            "rows": draw(st.sampled_from([None] * 5 + [1, 100])),
        }
        steps.append(step)
        after.append(fields_after(step, known))
    return steps


def fields_after(step, known):
    """About what the dataset has then; only to draw sensible names."""
    out = {} if "previous_index" in step["component"] else dict(known)
    produces, _ = split(step["component"].get("produces"))
    for key, value in (step["produces"] or {}).items():
        if isinstance(value, dict) and "field" in value and key in produces:
            out[value["field"]] = produces.pop(key)
        elif isinstance(value, dict) and "type" in value:
            out[key] = value
    out.update(produces)
    return out


def names_of(steps):
    return [step["component"]["name"] for step in steps]


def is_chain(steps):
    return all(step["parent"] == index - 1 for index, step in enumerate(steps))


# --- for the framework ---


def define(steps):
    """The dataset, by the framework's public methods; whatever it raises."""
    from fondant.core.schema import Type
    from fondant.dataset import Dataset

    def given(values):
        if values is None:
            return None
        return {
            key: value if value == JUNK else value.get("field") or Type.from_dict(value).value
            for key, value in values.items()
        }

    made = []
    for step in steps:
        common = {
            "produces": given(step["produces"]),
            "arguments": copy.deepcopy(step["arguments"]),
            "input_partition_rows": step["rows"],
        }
        ref = copy.deepcopy(step["component"])
        if step["parent"] < 0:
            made.append(Dataset.create(ref, dataset_name="t", **common))
        else:
            made.append(made[step["parent"]].apply(ref, consumes=given(step["consumes"]), **common))
    return made


def take_maps_for_components(component_op, component_spec, image):
    """Lets the framework take a component file as a map, so that thousands need no folders."""
    original = component_op.from_ref.__func__

    def from_ref(cls, ref, fields=None, **kwargs):
        if isinstance(ref, dict):
            spec = component_spec.from_dict(ref)
            return cls(image(base_image=spec.image), spec, dataset_fields=fields, **kwargs)
        return original(cls, ref, fields, **kwargs)

    component_op.from_ref = classmethod(from_ref)


# --- by hand ---


def document(steps, name):
    """The same pipeline as somebody would write it who never saw the framework."""
    out = []
    for index, step in enumerate(steps):
        written = {"name": f"s{index}", "component": {"spec": step["component"]}}
        if step["parent"] >= 0:
            written["from"] = [f"s{step['parent']}"]
        for which in ("consumes", "produces", "arguments"):
            if step[which]:
                written[which] = step[which]
        if step["rows"]:
            written["inputPartitionRows"] = step["rows"]
        out.append(written)
    return {
        "apiVersion": "fondant.ai/v1alpha1",
        "kind": "FondantPipeline",
        "metadata": {"name": name},
        "spec": {"datasetName": "t", "steps": out},
    }
