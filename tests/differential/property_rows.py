"""Why the framework and this compiler may disagree on a random pipeline: the rows that
test_properties.py explains every disagreement with."""

import json

import models

# What the framework says -> the reasons here that are the same.
SAME = [
    (r"trying to invoke the", {"MissingField"}),
    (r"does not match the previously created field type", {"TypeMismatch"}),
    (r"does not contain the column", {"MissingField"}),
    (r"Received a string value for key .* `consumes`", {"UnknownField"}),
    (r"Received a string value for key .* `produces`", {"UnknownField", "Required"}),
    (r"Received pyarrow DataType value", {"TypeMismatch"}),
    (r"Unexpected type <class 'int'>", {"InvalidType"}),
    (r"is not valid under any of the given schemas", {"InvalidFieldType", "UnknownField"}),
    (
        r"Invalid schema provided|Invalid 'items' type|Invalid 'properties' type",
        {"InvalidFieldType"},
    ),
    (r"On instance\['index'\]", {"ReservedField"}),
]

# Where one of these is found, what lies behind it is not looked at: it may be all right then.
BEFORE = {
    "InvalidFieldType",
    "InvalidType",
    "ReservedField",
    "DuplicateField",
    "RenameCycle",
    "UnknownField",
    "Required",
    "NothingToRead",
    "ReadsNothing",
    "UnsupportedRename",
}


# --- rows: name -> (who refuses alone, why, test) ---


def is_twice(case):
    return len(set(models.names_of(case.steps))) < len(case.steps)


def renames_generic(case):
    return any(
        isinstance(value, dict)
        and "field" in value
        and models.split(step["component"].get("consumes"))[1]
        for step in case.steps
        for value in (step["consumes"] or {}).values()
    )


def has_timestamps(case):
    return '"timestamp"' in json.dumps(case.steps) or "date-time" in json.dumps(case.steps)


def is_branching(case):
    return not models.is_chain(case.steps)


def has_wrong_arguments(case):
    for step in case.steps:
        declared, given_ = step["component"].get("args", {}), step["arguments"]
        for name, argument in declared.items():
            if name not in given_ and "default" not in argument:
                return True
            kinds = (int, float) if argument["type"] == "float" else PYTHON[argument["type"]]
            if name in given_ and (
                not isinstance(given_[name], kinds)
                or (isinstance(given_[name], bool) and argument["type"] != "bool")
            ):
                return True
        if given_.keys() - declared.keys():
            return True
    return False


def has_new_keys(case):
    for step in case.steps:
        for which in ("consumes", "produces"):
            declared, generic = models.split(step["component"].get(which))
            if not generic and (step[which] or {}).keys() - declared.keys():
                return True
    return False


PYTHON = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}

FRAMEWORK_ALONE = {
    "generic-rename": (
        "a rename on a component that takes any field ends in a bare KeyError",
        lambda case: case.theirs.startswith("KeyError") and renames_generic(case),
    ),
    "valid-branch": (
        "a branch is checked against what stands before it in the list",
        lambda case: case.stage == "validate" and is_branching(case),
    ),
    "naive-timestamp": (
        "a timestamp without a zone becomes one with UTC, and clashes with itself",
        lambda case: "timestamp" in case.theirs and has_timestamps(case),
    ),
    "component-twice": (
        "the second use of a component replaces the first, and waits for itself",
        is_twice,
    ),
    "before-it": (
        "both refuse, but here another error of the same pipeline stands before the one that the "
        "framework names",
        lambda case: bool(case.reasons & BEFORE),
    ),
}

HERE_ALONE = {
    "arguments": (
        "required, known and well-typed arguments: the framework checks none",
        {"MissingArgument", "UnknownArgument", "InvalidArgument"},
        has_wrong_arguments,
    ),
    "lost-column": (
        "two fields of one name, renames in a circle and the names of the index: the framework "
        "compiles them and loses columns",
        {"DuplicateField", "RenameCycle", "ReservedField"},
        lambda case: True,
    ),
    "typed-new-key": (
        "a typed key that the component does not declare: the framework loads a column that the "
        "component never asked for",
        {"UnknownField"},
        has_new_keys,
    ),
    "nothing-to-read": (
        "the first component reads: its container would have no dataset",
        {"NothingToRead", "Required"},
        lambda case: "consumes" in case.steps[0]["component"],
    ),
    "applied-loader": (
        "a component that reads nothing is applied to a dataset",
        {"ReadsNothing"},
        lambda case: any(not step["component"].get("consumes") for step in case.steps[1:]),
    ),
    "invalid-branch": (
        "a field that only a sibling makes",
        {"MissingField", "TypeMismatch"},
        is_branching,
    ),
    "naive-timestamp-here": (
        "a timestamp without a zone is not one with UTC",
        {"TypeMismatch"},
        has_timestamps,
    ),
    "unsupported-rename": (
        "the executor cannot rename a field of a type that no component file can declare",
        {"UnsupportedRename"},
        lambda case: True,
    ),
    "component-twice-here": (
        "the framework forgot the first use, so that it never saw what is wrong with it",
        None,
        is_twice,
    ),
    "not-looked-at": (
        "a generic component's rename is replaced by the field of its own name, so that the "
        "framework never looks for the one that is meant",
        {"MissingField", "TypeMismatch", "UnsupportedRename"},
        renames_generic,
    ),
    "first-not-checked": (
        "the framework never checks the first component",
        {"MissingField", "TypeMismatch"},
        lambda case: "consumes" in case.steps[0]["component"],
    ),
    "follows": (
        "a swap of columns, two of one name, or a loader in the middle is wrong already, and what "
        "follows from it is said, too",
        {"MissingField", "TypeMismatch"},
        lambda case: bool(case.reasons & {"RenameCycle", "DuplicateField", "ReadsNothing"}),
    ),
}
