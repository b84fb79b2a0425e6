"""Framework -> exporter -> compiler: the same containers, but for the rows of differences.py."""

import copy
import json
from pathlib import Path

import ours
import peer
import pytest
from differences import TABLES, met, on_purpose

DATA = ours.ROOT / "tests/data/differential"
GOLDENS = [
    "argtypes",
    "branches",
    "cache_flags",
    "docs",
    "hub_run",
    "hub_text",
    "lightweight",
    "linear3",
    "mappings",
    "nulls",
    "resources",
]
VALID = ["read_branches", "valid_branch"]
OWN = sorted({path.stem for path in (DATA / "own").glob("*.py")} - set(VALID))

# Golden pipelines with something that the exporter or compiler refuses on purpose: what it says,
# the row, and the change that makes the rest of the pipeline comparable.
REFUSED = {
    "argtypes": [
        (
            ("NotJSON", "arguments.huge"),
            "huge-int",
            ("123456789012345678901234567890", "1234567890123456789"),
        )
    ],
    "cache_flags": [
        (("InvalidRows", "input_partition_rows"), "zero-rows", (", input_partition_rows=0", ""))
    ],
    "nulls": [
        (("NoneArgument", "arguments.given_none"), "none-over-default", ('"given_none": None,', ""))
    ],
    "branches": [
        (
            ("MissingField", "spec.steps[4].consumes.n_words"),
            "sibling-field",
            ('leak = image.apply(C / "leak")', "leak = image"),
        )
    ],
}


# --- pipelines ---


def text_of(dataset):
    return ours.to_yaml(ours.export(dataset))


def graph_of(dataset):
    """Everything of the user's that an export must leave as it was."""
    return [
        (
            name,
            list(info["dependencies"]),
            info["operation"].operation_spec.to_json(),
            copy.deepcopy(info["operation"].arguments),
            dict(info["output_dataset"].fields),
        )
        for name, info in dataset._graph.items()
    ]


def golden(name):
    change = [pair for _, _, pair in REFUSED.get(name, [])]
    return peer.make(DATA / name / "pipeline.py", change)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_on_purpose(name):
    dataset = peer.make(DATA / name / "pipeline.py")
    found = []
    try:
        ours.compile_text(text_of(dataset))
    except ours.ExportError as error:
        found = [(problem.reason, problem.place) for problem in error.problems]
    except ours.Refused as error:
        found = [(finding["reason"], finding["path"]) for finding in error.findings]
    assert found == [wanted for wanted, _, _ in REFUSED[name]]
    for _, row, _ in REFUSED[name]:
        on_purpose(row)


@pytest.mark.parametrize(
    "name", [name for name in GOLDENS if (DATA / name / "facts.json").exists()]
)
def test_goldens_are_the_frameworks(name):
    """The recorded facts are what the installed framework says today."""
    facts = json.loads((DATA / name / "facts.json").read_text())
    now = peer.operations(peer.make(DATA / name / "pipeline.py"))
    assert list(now) == [operation["id"] for operation in facts["operations"]]
    for operation in facts["operations"]:
        live = now[operation["id"]]
        assert live["dependencies"] == operation["dependencies"]
        assert live["operation_spec"] == json.loads(operation["operation_spec"])
        assert live["schema"] == operation["dataset_fields_after"]
        assert live["script"] == operation.get("script")
        assert flags(live["argv"]).keys() == flags(operation["argv_docker"]).keys()


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name):
    compare(golden(name))


@pytest.mark.parametrize("name", OWN)
def test_own(name):
    compare(peer.make(DATA / "own" / f"{name}.py"))


@pytest.mark.parametrize("name", VALID)
def test_valid_though_the_framework_refuses(name):
    dataset = peer.make(DATA / "own" / f"{name}.py")
    with pytest.raises(Exception, match="has not been defined or created"):
        peer.operations(dataset)
    frozen, _ = ours.compile_text(text_of(dataset))
    assert len(frozen["steps"]) == len(dataset._graph)
    on_purpose("valid-branch")


@pytest.mark.parametrize("name", GOLDENS)
def test_custom_as_ref(name):
    """FondantComponents beside the pipeline make the same frozen spec, steps' source apart."""
    dataset = golden(name)
    inline, _ = ours.compile_text(text_of(dataset))
    documents = ours.export(dataset, ours.Options(custom="ref"))
    by_ref, _ = ours.compile_text(ours.to_yaml(documents))
    assert by_ref == inline


# --- comparing ---


def flags(args):
    """--name -> value, of two tokens or of one with `=`."""
    out = {}
    rest = list(args)
    while rest:
        token = rest.pop(0)
        assert token.startswith("--"), f"{token!r} in {args}"
        name, equals, value = token[2:].partition("=")
        assert name not in out, f"--{name} twice"
        out[name] = value if equals else rest.pop(0)
    return out


def compare(dataset):
    before = graph_of(dataset)
    text = text_of(dataset)
    assert graph_of(dataset) == before, "the export changed the user's objects"
    assert text == text_of(dataset), "two exports differ"
    frozen, args = ours.compile_text(text)
    operations = peer.operations(dataset)
    steps = {step["name"]: step for step in frozen["steps"]}
    names = {identity: step_of(identity, steps) for identity in operations}
    assert sorted(names.values()) == sorted(steps)
    assert frozen["datasetName"] == dataset.name
    for identity, operation in operations.items():
        step = steps[names[identity]]
        compare_edges(operation, step, names, operations)
        compare_arguments(operation, step, args[step["name"]], frozen, names)
        compare_received(operation, args[step["name"]])
        compare_specification(operation, step, flags(args[step["name"]])["operation_spec"])
        compare_schema(operation, step, any(s.get("fromManifest") for s in frozen["steps"]))
        compare_python(operation, step)


def step_of(identity, steps):
    wanted = "".join(c if c.isalnum() and c.isascii() else "-" for c in identity.lower())
    found = [name for name in steps if name == "-".join(filter(None, wanted.split("-")))]
    assert len(found) == 1, f"{identity}: {sorted(steps)}"
    return found[0]


def is_writer(operation):
    spec = operation["operation_spec"]["specification"]
    return "Data writing" in spec.get("tags", []) or "(DaskWriteComponent)" in (
        operation["script"] or ""
    )


def compare_edges(operation, step, names, operations):
    expected = [names[dependency] for dependency in operation["dependencies"]]
    if step["from"] != expected:
        writer = operation["dependencies"][0]
        assert is_writer(operations[writer]) and on_purpose("past-writer")
        assert step["from"] == [names[d] for d in operations[writer]["dependencies"]]


def compare_arguments(operation, step, args, frozen, names):
    theirs, mine = flags(operation["argv"]), flags(args)
    folder = f"{frozen['workingDirectory']}/{frozen['datasetName']}/{ours.RUN}"
    manifest = f"{folder}/{step['name']}/manifest.json"
    assert args[0] == "--metadata", "the executor's command line wants a loose word first"
    metadata = json.loads(mine.pop("metadata"))
    assert list(metadata) == list(json.loads(theirs.pop("metadata")))
    assert metadata == {
        "dataset_name": frozen["datasetName"],
        "run_id": ours.RUN,
        "component_id": step["name"],
        "cache_key": step["cacheKey"],
        "manifest_location": manifest,
    }
    assert mine.pop("output_manifest_path") == manifest
    assert theirs.pop("output_manifest_path").endswith("/manifest.json")
    assert mine.pop("working_directory") == theirs.pop("working_directory")
    compare_input(
        theirs.pop("input_manifest_path", None), mine.pop("input_manifest_path", None), step, folder
    )
    assert mine.pop("cache") == "False" and on_purpose("cache-flag")
    assert (theirs.pop("cache", "False") == "True") == (step["cache"]["policy"] == "Use")
    theirs.pop("operation_spec"), mine.pop("operation_spec")
    for name in theirs.keys() | mine.keys():
        compare_flag(name, theirs.get(name), mine.get(name), operation, args)


def compare_input(theirs, mine, step, folder):
    if step.get("fromManifest"):
        assert mine == theirs == step["fromManifest"]
    elif step["from"]:
        assert mine == f"{folder}/{step['from'][0]}/manifest.json"
        assert theirs.endswith("/manifest.json")
    else:
        assert mine is None
        assert theirs is None or (theirs == "None" and on_purpose("no-input"))


def compare_flag(name, theirs, mine, operation, args):
    value = operation["arguments"].get(name)
    declared = operation["operation_spec"]["specification"].get("args", {}).get(name, {})
    if value is None and name != "input_partition_rows":
        assert mine is None and theirs == "None" and on_purpose("none"), name
    elif value is False:
        assert mine == "" and theirs == "False" and on_purpose("false"), name
    elif isinstance(value, (dict, list)):
        assert json.loads(mine) == json.loads(theirs), name
    elif isinstance(value, tuple):
        assert json.loads(mine) == list(value) and on_purpose("tuple"), name
    elif isinstance(value, float) or declared.get("type") == "float":
        assert float(mine) == float(theirs), name
    else:
        assert mine == theirs, name
    if f"--{name}={mine}" in args:
        assert mine.startswith("-") and on_purpose("leading-dash")


def compare_received(operation, args):
    """What the component is called with, by the executor's own parsers."""
    declared = operation["operation_spec"]["specification"].get("args", {})
    theirs, mine = peer.received(operation["argv"]), peer.received(args)
    wanted = {name: default(argument) for name, argument in declared.items()}
    for name, value in operation["arguments"].items():
        wanted[name] = list(value) if isinstance(value, tuple) else value
    assert mine == wanted
    if theirs != wanted:
        rows = {"exit code 2": "leading-dash"}
        if isinstance(theirs, str):
            assert on_purpose(rows[theirs])
            return
        for name in wanted:
            if theirs[name] != wanted[name]:
                tuple_like = declared[name]["type"] in ("tuple", "set")
                assert tuple_like or wanted[name] is False, name
                on_purpose("tuple" if tuple_like else "false")


def default(argument):
    return None if argument.get("default") == "None" else argument.get("default")


def without_text(specification):
    out = {k: v for k, v in specification.items() if k not in ("description", "tags")}
    if "args" in out:
        out["args"] = {
            name: {k: v for k, v in argument.items() if k != "description"}
            for name, argument in out["args"].items()
        }
    return out


def compare_specification(operation, step, text):
    theirs, mine = copy.deepcopy(operation["operation_spec"]), json.loads(text)
    assert list(mine) == list(theirs)
    left, right = theirs.pop("specification"), mine.pop("specification")
    assert right.pop("name") == step["name"] and on_purpose("name")
    left.pop("name")
    for argument in left.get("args", {}).values():
        if argument["type"] in ("tuple", "set"):
            argument["type"] = "list" if on_purpose("tuple") else ""
    if operation["script"]:
        left, right = without_text(left), without_text(right)
        on_purpose("python-text")
    elif operation["reusable"]:
        assert right.get("tags") == left.get("tags")
        left, right = without_text(left), without_text(right)
        on_purpose("catalog-text")
    assert right == left
    for which in ("consumes", "produces"):
        for key, value in theirs[which].items():
            if value == key and isinstance(mine[which][key], dict):
                on_purpose("same-name")
                theirs[which][key] = timestamps(mine[which][key])
    assert timestamps(mine) == theirs


def timestamps(tree):
    """The tree with naive timestamps as the framework writes them."""
    if tree == {"type": "timestamp"} and on_purpose("naive-timestamp"):
        return {"type": "string", "format": "date-time"}
    if isinstance(tree, dict):
        return {key: timestamps(value) for key, value in tree.items()}
    return tree


def compare_schema(operation, step, reads):
    mine, theirs = timestamps(step["schema"]), operation["schema"]
    if reads and mine != theirs:
        assert mine.items() <= theirs.items() and on_purpose("manifest-fields")
        return
    assert mine == theirs


def compare_python(operation, step):
    if not operation["script"]:
        assert not step.get("python")
        return
    assert step["python"]["source"] == operation["script"]
    assert step["python"].get("requirements", []) == (operation["requirements"] or [])
    assert step["imageTag"] == operation["image"]


# --- the table ---


def test_every_row_was_met(request):
    """A difference that nothing shows any more is no difference. Runs last."""
    if len(request.session.items) < 2 * len(GOLDENS):
        pytest.skip("only with the whole file")
    rows = {row for table in TABLES.values() for row in table}
    assert rows == met


def test_own_pipelines_are_there():
    assert len(OWN) >= 6 and Path(DATA).exists()
