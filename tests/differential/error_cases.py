"""The 74 small definitions of errors.json: what this operator says to each, and why.

`here` is [(reason, path)] of errors; empty: accepted. Where it is said:
  file      `kubectl fondant validate` of the component file alone
  export    the exporter of python/, which cannot write it
  pipeline  `kubectl fondant validate` of what the exporter wrote
  by hand   the framework does not even make the graph, so the same pipeline is written by hand
  nowhere   it cannot be written here
"""

from typing import NamedTuple

SAME = "Both refuse; here with a path, in the words of a condition, with every other error."
NO_CLASH = "Both accept, and the component is told the same."
BEFORE = "Found before anything runs, on every backend; the framework's compilers disagree."


class Row(NamedTuple):
    stage: str
    here: list
    why: str


STEP, TAKE = "spec.steps[0]", "spec.steps[1]"

ROWS = {
    "good": Row("pipeline", [], NO_CLASH),
    "spec_no_image": Row("file", [("Required", "image")], SAME),
    "spec_no_name": Row("file", [("Required", "name")], SAME),
    "spec_no_description": Row("file", [("Required", "description")], SAME),
    "spec_unknown_key": Row("file", [("UnknownField", "owner")], SAME),
    "spec_name_yaml11_bool": Row("file", [("InvalidType", "name")], SAME),
    "spec_empty_consumes_args": Row("pipeline", [], NO_CLASH),
    "spec_empty_file": Row(
        "by hand",
        [
            ("Required", f"{STEP}.component.spec.description"),
            ("Required", f"{STEP}.component.spec.image"),
            ("Required", f"{STEP}.component.spec.name"),
        ],
        "All that is missing, not the text of a TypeError.",
    ),
    "spec_unknown_type": Row("file", [("InvalidFieldType", "produces.a.type")], SAME),
    "spec_type_decimal": Row(
        "file",
        [("InvalidFieldType", "produces.a.type")],
        "The framework's schema knows the word and its parser does not; here "
        "one grammar, and the nearest name.",
    ),
    "spec_type_list": Row(
        "file",
        [("InvalidFieldType", "produces.a.type")],
        "The framework's schema knows the word and its parser does not.",
    ),
    "spec_type_decimal128": Row(
        "file",
        [("InvalidFieldType", "produces.a.type")],
        "The executor could not read it either; the message says where " "the type may stand.",
    ),
    "spec_type_null_word": Row(
        "file",
        [("InvalidFieldType", "produces.a.type")],
        "The message says where the type may stand.",
    ),
    "spec_type_large_utf8": Row(
        "file",
        [("InvalidFieldType", "produces.a.type")],
        "The message says where the type may stand.",
    ),
    "spec_type_struct_word": Row("pipeline", [], NO_CLASH),
    "spec_type_array_no_items": Row("file", [("InvalidFieldType", "produces.a.items")], SAME),
    "spec_type_object_no_properties": Row(
        "file", [("InvalidFieldType", "produces.a.properties")], SAME
    ),
    "spec_type_items_word": Row("file", [("InvalidType", "produces.a.items")], SAME),
    "spec_type_items_list": Row("file", [("InvalidType", "produces.a.items")], SAME),
    "spec_field_true": Row(
        "file", [("InvalidFieldType", "produces.a")], "The framework ends in a bare AttributeError."
    ),
    "spec_field_extra_key": Row("file", [("UnknownField", "produces.a.description")], SAME),
    "spec_field_date_time_int": Row("pipeline", [], "Both read a timestamp, whatever the type."),
    "spec_arg_type_tuple": Row(
        "pipeline",
        [("MissingArgument", f"{STEP}.arguments.x")],
        "The type is accepted on every backend; what is wrong is that the "
        "argument is not given.",
    ),
    "spec_arg_type_unknown": Row("file", [("InvalidValue", "args.x.type")], SAME),
    "spec_arg_default_float_exp": Row(
        "pipeline",
        [],
        "Kubeflow cannot compile it; here with a "
        "warning that Kubernetes keeps it as an integer.",
    ),
    "spec_arg_default_float_small": Row("pipeline", [], "Kubeflow cannot compile it."),
    "spec_arg_default_int_for_float": Row("pipeline", [], NO_CLASH),
    "spec_arg_default_wrong_type": Row(
        "file",
        [("InvalidDefault", "args.x.default")],
        "Docker compiles it, and the executor's argument parser ends the step: it runs a text "
        "through the type. Kubeflow ends in a TypeError.",
    ),
    "spec_arg_default_date": Row("file", [("InvalidYAML", "")], SAME),
    "spec_arg_name_dash": Row("pipeline", [], NO_CLASH),
    "spec_arg_name_reserved": Row(
        "file",
        [("ReservedArgument", "args.metadata")],
        "Docker would give the flag twice, and the container would read " "the wrong one.",
    ),
    "spec_name_slash": Row(
        "pipeline",
        [],
        "The step's name is a label, so that no name of a " "component can leave its folder.",
    ),
    "spec_name_unicode": Row("pipeline", [], "The step's name is a label, and unique."),
    "arg_required_missing": Row("pipeline", [("MissingArgument", f"{STEP}.arguments.x")], BEFORE),
    "arg_undeclared": Row("pipeline", [("UnknownArgument", f"{STEP}.arguments.zz")], BEFORE),
    "arg_str_for_int": Row("pipeline", [("InvalidArgument", f"{STEP}.arguments.x")], BEFORE),
    "arg_int_for_float": Row("pipeline", [], "An integer is a float; Kubeflow refuses it."),
    "arg_float_for_int": Row("pipeline", [("InvalidArgument", f"{STEP}.arguments.x")], BEFORE),
    "arg_list_for_dict": Row("pipeline", [("InvalidArgument", f"{STEP}.arguments.x")], BEFORE),
    "arg_none": Row(
        "export",
        [("NoneArgument", "arguments.x")],
        "Docker passes the text None for " "a required argument.",
    ),
    "arg_nested_none": Row("pipeline", [], "JSON has null; Kubeflow refuses it."),
    "arg_nan": Row("export", [("NotJSON", "arguments.x")], BEFORE),
    "arg_tuple_value": Row(
        "pipeline",
        [],
        "A list, as the component declares; the framework "
        "passes the text (1, 2), which no component can read.",
    ),
    "arg_operation_spec_given": Row("pipeline", [], "Both put their own values in place."),
    "map_unknown_rename_source": Row("by hand", [("MissingField", f"{TAKE}.consumes.a")], SAME),
    "map_unknown_operation_key": Row("by hand", [("UnknownField", f"{TAKE}.consumes.zz")], SAME),
    "map_wrong_type": Row("pipeline", [("TypeMismatch", f"{TAKE}.consumes.a")], SAME),
    "map_type_mismatch_via_rename": Row(
        "pipeline",
        [("TypeMismatch", f"{TAKE}.consumes.a")],
        "The message names both steps, fields and types.",
    ),
    "map_value_int": Row("by hand", [("InvalidType", f"{TAKE}.consumes.a")], SAME),
    "map_typed_new_key_on_fixed_spec": Row(
        "pipeline",
        [("UnknownField", f"{TAKE}.consumes.n")],
        "The executor would load a column that the component "
        "never asked for; a typo would pass.",
    ),
    "map_generic_rename_same": Row("pipeline", [], NO_CLASH),
    "map_generic_rename": Row(
        "by hand",
        [],
        "A rename on a generic component works; the framework " "ends in a bare KeyError.",
    ),
    "map_generic_produces_rename": Row(
        "by hand",
        [("Required", f"{TAKE}.produces.b")],
        "The type " "is what is missing, and the message says so.",
    ),
    "map_swap": Row(
        "pipeline",
        [("RenameCycle", f"{STEP}.produces.a")],
        "The framework compiles it and loses a column.",
    ),
    "map_two_onto_one": Row(
        "pipeline",
        [("DuplicateField", f"{STEP}.produces.n")],
        "The framework compiles it and loses a column.",
    ),
    "map_produces_index": Row(
        "pipeline",
        [("ReservedField", f"{STEP}.produces.a")],
        "The framework compiles it, and the field is gone.",
    ),
    "map_produces_id": Row(
        "pipeline",
        [("ReservedField", f"{STEP}.produces.a")],
        "The framework compiles it; the name is that of the index column.",
    ),
    "graph_missing_field": Row(
        "pipeline",
        [("MissingField", f"{TAKE}.consumes.gone")],
        "The message names both steps, what there is, and the nearest name.",
    ),
    "graph_same_component_twice": Row(
        "export",
        [("ComponentTwice", "")],
        "The framework forgets "
        "the first use and lets the second wait for itself. Written "
        "by hand, two steps may share a component.",
    ),
    "graph_first_op_consumes": Row(
        "pipeline",
        [("NothingToRead", f"{STEP}.from")],
        "The framework " "compiles it; its container has nothing to read.",
    ),
    "graph_valid_branch_refused": Row(
        "pipeline", [], "The branch is valid: fields are followed " "along the edges."
    ),
    "graph_invalid_branch_accepted": Row(
        "pipeline",
        [("MissingField", "spec.steps[2].consumes.b")],
        "The branch is wrong: only its sibling makes the field.",
    ),
    "graph_timestamp_naive": Row(
        "pipeline",
        [],
        "A timestamp without a zone is the same type in "
        "both steps; the framework loses it on the way.",
    ),
    "graph_name_unsafe": Row(
        "export",
        [("InvalidName", "dataset_name"), ("InvalidName", "metadata.name")],
        "The name is a folder; the framework lets `..` pass.",
    ),
    "graph_name_empty": Row(
        "export",
        [("InvalidName", "dataset_name"), ("InvalidName", "metadata.name")],
        "The name is a folder.",
    ),
    "graph_bad_ref": Row("by hand", [("UnknownComponent", f"{STEP}.component.catalog.name")], SAME),
    "res_cpu": Row(
        "pipeline",
        [],
        "Kubeflow sets the memory from it, or refuses; here it is the " "processors.",
    ),
    "res_cpu_plain": Row("pipeline", [], "Kubeflow asks for 1e-09 GB of memory and no processors."),
    "res_pool_half": Row("nowhere", [], "A node selector is a map: half of one cannot be written."),
    "res_accelerator_half": Row("by hand", [], "A count that is not given is 1."),
    "res_accelerator_zero": Row(
        "by hand",
        [("InvalidValue", f"{STEP}.accelerator.count")],
        "The message says what is wrong with it.",
    ),
    "res_tpu": Row(
        "pipeline",
        [],
        "Docker ends in NotImplementedError; here what the backend "
        "cannot honour is an error with its path.",
    ),
    "res_gpu_3": Row("pipeline", [], NO_CLASH),
    "res_memory_junk": Row(
        "pipeline", [("InvalidValue", f"{STEP}.resources.limits.memory")], BEFORE
    ),
}


def _consumes(**mapping):
    def change(steps):
        steps[1]["consumes"] = mapping

    return change


def _produces(**mapping):
    def change(steps):
        steps[1]["produces"] = mapping

    return change


def _accelerator(**value):
    def change(steps):
        steps[0]["accelerator"] = value

    return change


def _component(value):
    def change(steps):
        steps[0]["component"] = value

    return change


# case -> (the case that is like it, what is changed in its steps)
BY_HAND = {
    "spec_empty_file": ("spec_empty_consumes_args", _component({"spec": {"tags": ["x"]}})),
    "map_unknown_rename_source": ("good", _consumes(a={"field": "zz"})),
    "map_unknown_operation_key": ("good", _consumes(zz={"field": "a"})),
    "map_value_int": ("good", _consumes(a=3)),
    "map_generic_rename": ("map_generic_rename_same", _consumes(b={"field": "a"})),
    "map_generic_produces_rename": ("map_generic_rename_same", _produces(b={"field": "a"})),
    "graph_bad_ref": (
        "spec_empty_consumes_args",
        _component({"catalog": {"name": "no_such_component", "version": "0.12.1"}}),
    ),
    "res_accelerator_half": ("res_cpu", _accelerator(type="GPU")),
    "res_accelerator_zero": ("res_cpu", _accelerator(type="GPU", count=0)),
}
