"""Random pipelines: the framework's validation and this compiler's agree, or a row says why not.

PROPERTY_CASES (2000) pipelines are drawn, the same ones every time; PROPERTY_SEED draws others. The
plugin reads many of them at once. What no row explains is made as small as possible and printed.
"""

import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import models
import ours
import peer  # noqa: F401
import pytest
from fondant.core.component_spec import ComponentSpec
from fondant.dataset import ComponentOp, Image
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.errors import NoSuchExample
from property_rows import FRAMEWORK_ALONE, HERE_ALONE, SAME, is_twice, renames_generic

CASES = int(os.environ.get("PROPERTY_CASES", "2000"))
SEED = int(os.environ.get("PROPERTY_SEED", "0"))
# The plugin takes 64 documents a file.
BATCH = 64

models.take_maps_for_components(ComponentOp, ComponentSpec, Image)


class Case:
    """One pipeline, and what both sides say to it."""

    def __init__(self, steps):
        self.steps = steps
        self.stage, self.theirs, self.datasets, self.reasons = "ok", "", None, set()
        try:
            self.datasets = models.define(steps)
        except Exception as error:  # noqa: BLE001 - whatever the framework raises
            self._refused("define", error)
            return
        try:
            self.datasets[-1].validate()
        except Exception as error:  # noqa: BLE001
            self._refused("validate", error)

    def _refused(self, stage, error):
        self.stage, self.theirs = stage, f"{type(error).__name__}: {error}"

    def exported(self, name):
        """The exporter's document; None where the framework defines nothing or it refuses."""
        if self.stage == "define":
            return None, []
        try:
            return ours.export(self.datasets[-1], ours.Options(name=name))[-1], []
        except ours.ExportError as error:
            return None, [problem.reason for problem in error.problems]


def disagreements(case, findings):
    """Rows that explain what one side says alone; `?...` where none does."""
    reasons = case.reasons = {finding["reason"] for finding in findings}
    rows = []
    if case.stage != "ok":
        expected = next((same for text, same in SAME if re.search(text, case.theirs, re.S)), set())
        if not expected & reasons:
            rows.append(
                next(
                    (name for name, (_, holds) in FRAMEWORK_ALONE.items() if holds(case)),
                    f"?framework alone, {case.stage}: {case.theirs[:300]}",
                )
            )
        # The framework stops at its first error, and says nothing of the others.
        return rows
    for finding in findings:
        rows.append(
            next(
                (
                    name
                    for name, (_, allowed, holds) in HERE_ALONE.items()
                    if (allowed is None or finding["reason"] in allowed) and holds(case)
                ),
                f"?here alone: {finding['path']}: {finding['message']} [{finding['reason']}]",
            )
        )
    return rows


# --- many at once ---


def draw():
    """So many pipelines, no two alike."""
    drawn = {}

    def collect(steps):
        drawn.setdefault(json.dumps(steps, sort_keys=True), steps)

    for turn in range(10):
        if len(drawn) >= CASES:
            break
        seed(SEED * 10 + turn)(
            settings(
                max_examples=CASES,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(given(models.pipelines())(collect))
        )()
    return list(drawn.values())[:CASES]


def write(documents, folder):
    """As few files as possible."""
    files = []
    for start in range(0, len(documents), BATCH):
        files.append(Path(folder) / f"{start}.yaml")
        files[-1].write_text(ours.to_yaml(documents[start : start + BATCH]))
    return files


def errors_by_name(documents):
    """Name -> errors, of documents under many names."""
    out = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for finding in ours.errors(ours.validate(*write(documents, folder))):
            assert "object" in finding, finding
            out[finding["object"]["name"]].append(finding)
    return out


def frozen_by_name(documents):
    with tempfile.TemporaryDirectory() as folder:
        write(documents, folder)
        code, lines, err = ours.plugin(
            "compile", "-f", folder, "-o", "json", "--working-directory", "s3://bucket/data"
        )
    assert code == 0, err
    return {spec["pipeline"]: spec for spec in map(json.loads, lines.splitlines())}


@pytest.fixture(scope="module")
def cases():
    return [Case(steps) for steps in draw()]


@pytest.fixture(scope="module")
def by_hand(cases):
    return errors_by_name([models.document(case.steps, f"p{i}") for i, case in enumerate(cases)])


def smallest(rows, steps):
    """The smallest pipeline with the same unexplained disagreement, up to names and numbers; these
    steps themselves where none is found in time."""
    wanted = {re.sub(r"\d+|`[^`]*`|'[^']*'", "", row)[:60] for row in rows if row[0] == "?"}

    def shows(steps):
        found = disagreements(Case(steps), errors_by_name([models.document(steps, "p")])["p"])
        return any(re.sub(r"\d+|`[^`]*`|'[^']*'", "", row)[:60] in wanted for row in found)

    try:
        return find(
            models.pipelines(),
            shows,
            settings=settings(
                max_examples=3000,
                database=None,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except NoSuchExample:
        return steps


def test_enough_of_each(cases, by_hand):
    """Cases that nobody refuses, that both do and that one does: else it shows nothing."""
    kinds = Counter((case.stage != "ok", bool(by_hand[f"p{i}"])) for i, case in enumerate(cases))
    print(f"{len(cases)} pipelines; framework and here accept or refuse: {dict(kinds)}")
    assert len(cases) == CASES
    for refused in ((False, False), (True, True), (True, False), (False, True)):
        assert kinds[refused] >= len(cases) // 250, (refused, kinds)


def test_every_disagreement_is_explained(cases, by_hand):
    met = Counter()
    for i, case in enumerate(cases):
        rows = disagreements(case, by_hand[f"p{i}"])
        unexplained = [row for row in rows if row[0] == "?"]
        if unexplained:
            steps = smallest(unexplained, case.steps)
            pytest.fail(
                f"{unexplained[0][1:]}\nThe smallest pipeline like it:\n"
                f"{ours.to_yaml([models.document(steps, 'smallest')])}"
                f"The framework: {Case(steps).theirs or 'accepts it'}"
            )
        met.update(rows)
    print(dict(met))
    assert CASES < 2000 or set(met) >= (set(FRAMEWORK_ALONE) | set(HERE_ALONE)) - RARE


# Rows that few of the drawn pipelines show.
RARE = {
    "unsupported-rename",
    "first-not-checked",
    "not-looked-at",
    "naive-timestamp-here",
    "component-twice-here",
    "invalid-branch",
    "follows",
}

# What the exporter refuses though the framework defined it, and what is said to it by hand.
EXPORT_ALONE = {"AppliedLoader": "ReadsNothing", "ComponentTwice": None, "UnknownInput": None}


def test_exported_is_as_by_hand(cases, by_hand):
    """The exporter's document and the one by hand have the same errors."""
    documents, refused = {}, {}
    for i, case in enumerate(cases):
        document, problems = case.exported(f"p{i}")
        if document:
            documents[f"p{i}"] = document
        elif problems:
            refused[f"p{i}"] = problems
    found = errors_by_name(list(documents.values()))
    assert len(documents) > len(cases) // 4
    for name, problems in refused.items():
        for problem in problems:
            expected = EXPORT_ALONE[problem]
            assert expected is None or expected in {f["reason"] for f in by_hand[name]}, name
    for name in documents:
        case = cases[int(name[1:])]
        left = sorted({f["reason"] for f in found[name]})
        right = sorted({f["reason"] for f in by_hand[name]})
        # The framework forgot the first use, or replaced the rename: the export has no more.
        if left != right and not (is_twice(case) or renames_generic(case)):
            # One step reads nothing in either; only the words depend on the graph's form.
            places = {"NothingToRead", "Required"}
            assert (
                set(left) - places == set(right) - places
            ), f"exported: {left}, by hand: {right}\n{ours.to_yaml([documents[name]])}"


def test_datasets_are_the_same(cases, by_hand):
    """Where both accept, every step's dataset has the fields that the framework says."""
    accepted = {
        f"p{i}": case
        for i, case in enumerate(cases)
        if case.stage == "ok" and not by_hand[f"p{i}"] and not is_twice(case)
    }
    frozen = frozen_by_name([models.document(case.steps, name) for name, case in accepted.items()])
    assert set(frozen) == set(accepted) and accepted
    for name, case in accepted.items():
        for step in frozen[name]["steps"]:
            dataset = case.datasets[int(step["name"][1:])]
            theirs = {key: field.type.to_dict() for key, field in dataset.fields.items()}
            assert (
                zoned(step["schema"]) == theirs
            ), f"{step['name']} of\n{ours.to_yaml([models.document(case.steps, name)])}"


def zoned(tree):
    """The framework writes every timestamp as one with a zone."""
    if tree == {"type": "timestamp"}:
        return {"type": "string", "format": "date-time"}
    return {key: zoned(value) for key, value in tree.items()} if isinstance(tree, dict) else tree
