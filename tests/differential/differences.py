"""Where this operator differs from the framework on purpose: one row each.

A test calls `on_purpose(row)` where it meets the difference; what no row allows fails, and so does
a row that the tests of a whole session never met.
"""

ARGUMENTS = {
    "cache-flag": (
        "`--cache` follows the step's setting, True by default",
        "`--cache False` always",
        "Hits are decided before a pod is started; a container that finds a cache file of its own "
        "would copy a manifest whose data may be gone (and would hide that it ran).",
    ),
    "no-input": (
        "a loader gets `--input_manifest_path None`",
        "a loader gets no such flag",
        "The executor reads both as none; the text None is an accident of str().",
    ),
    "false": (
        "`False` arrives as True: Python's bool() of a text that is not empty",
        "an empty value, which arrives as False",
        "A component must get what the user wrote.",
    ),
    "none": (
        "an optional argument given as None is passed as the text None",
        "it is left out",
        "Both arrive as None where the component's default is None; the exporter refuses others.",
    ),
    "leading-dash": (
        "`--key -x`: the executor ends with exit code 2",
        "`--key=-x` as one token",
        "A component must get what the user wrote.",
    ),
    "tuple": (
        "an argument of type tuple or set arrives as the characters of its JSON text",
        "declared to the executor as list: it arrives whole",
        "tuple('[1, 2]') is of no use to anybody.",
    ),
}

SPECIFICATION = {
    "name": (
        "`specification.name` is the component's name",
        "it is the step's name",
        "The executor derives the folder of a step from it, and one component may serve several "
        "steps.",
    ),
    "catalog-text": (
        "descriptions of reusable components as in the framework's package",
        "descriptions of the operator's own catalogue",
        "Own words; name, image, fields, types, arguments and defaults are the same.",
    ),
    "python-text": (
        "a Python component is described by its docstring, its arguments by the text None",
        "`Python step <name>`, and arguments without a description",
        "The description does nothing in a container; the docstring is in the source.",
    ),
    "same-name": (
        "`consumes={'a': 'a'}` is written as the rename {a: a}",
        "it is written as the type of a",
        "A rename of a field to its own name does nothing; the executor loads the same column.",
    ),
    "naive-timestamp": (
        "every timestamp is written as {type: string, format: date-time}",
        "timestamp without a time zone is {type: timestamp}",
        "The framework loses the type, so that a field declared `timestamp` clashes with itself in "
        "the next step.",
    ),
}

GRAPH = {
    "valid-branch": (
        "a branch is checked against what stands before it in the list, so that valid ones are "
        "refused",
        "it compiles",
        "Fields are followed along the edges of the graph.",
    ),
    "sibling-field": (
        "a step may use a field that only a sibling branch makes; it fails when it runs",
        "MissingField",
        "Fields are followed along the edges of the graph, not along a list.",
    ),
    "manifest-fields": (
        "after Dataset.read the dataset has all fields of the manifest",
        "it has those that a step reads",
        "The manifest is not read before the run: it may lie where only the pods can reach it.",
    ),
    "past-writer": (
        "what follows a writer is given a manifest that the writer never makes; it fails when it "
        "runs",
        "it reads what the writer read",
        "Writers leave no dataset; this is what the pipeline means.",
    ),
}

REFUSED = {
    "huge-int": (
        "an integer over 64 bits is passed as it is",
        "the exporter refuses it (NotJSON)",
        "Kubernetes keeps numbers as 64-bit integers and doubles; rounding it in silence would be "
        "worse.",
    ),
    "none-over-default": (
        "None is passed for an argument whose default is another value",
        "the exporter refuses it (NoneArgument)",
        "Not giving an argument means its default; for other types than str the executor ends on "
        "the text None anyway.",
    ),
    "zero-rows": (
        "input_partition_rows=0 is compiled; the executor then refuses it",
        "the exporter refuses it (InvalidRows)",
        "An error before the run instead of in it.",
    ),
}

TABLES = {
    "Arguments": ARGUMENTS,
    "Operation specification": SPECIFICATION,
    "Graph": GRAPH,
    "Refused by the exporter": REFUSED,
}
met = set()


def on_purpose(row):
    assert any(row in table for table in TABLES.values()), f"no such row: {row}"
    met.add(row)
    return True
