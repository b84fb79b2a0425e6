"""Holds both YAML reading modes against their originals, and the writer against both.

The originals: PyYAML's safe_load, and kubectl, whose answers are recorded in
tests/data/yaml/kubernetes.json (record_kubernetes.py there makes it anew).
"""

import json
import math
import pathlib
import random
import subprocess

import pytest
import yaml

from unit_tools import tool

DATA = pathlib.Path(__file__).parent.parent / "data" / "yaml"
RECORDED = json.loads((DATA / "kubernetes.json").read_text(encoding="utf-8"))["cases"]
DOCUMENTS = yaml.safe_load((DATA / "documents.yaml").read_text(encoding="utf-8"))
SCALARS = (DATA / "scalars.txt").read_text(encoding="utf-8").splitlines()
REFUSED = {case["name"]: case.get("refused", {}) for case in DOCUMENTS}
TAKEN = {case["name"]: case.get("taken", {}) for case in DOCUMENTS}
# A tag of one's own is refused in both modes.
REFUSED["scalar !x"] = {"kubernetes": "unknown tag"}


def read(mode, text):
    """(documents, None) or (None, message) from our reader."""
    done = subprocess.run([tool("tool_yaml"), mode], input=text.encode(),
                          capture_output=True, check=False, timeout=60)
    out = done.stdout.decode()
    if done.returncode == 1:
        assert out.startswith("error: line "), (out, done.stderr)
        return None, out
    assert done.returncode == 0, done.stderr
    return out.splitlines(), None


def normal(value):
    """Integers that only a double can hold in Go are doubles; the rest is as it is."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    return value


def same(a, b):
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def fits_json(value):
    """What can be JSON within our limits; keys as json.dumps takes them."""
    if isinstance(value, dict):
        return all(key is None or isinstance(key, (str, int, float)) for key in value) and \
            all(fits_json(item) for item in [*value.keys(), *value.values()])
    if isinstance(value, list):
        return all(map(fits_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -2**63 <= value < 2**63
    return value is None or isinstance(value, str)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["name"])
def test_kubernetes(case):
    lines, error = read("kubernetes", case["text"])
    if "kubernetes" in REFUSED.get(case["name"], {}):
        assert "value" in case, "kubectl refuses it too: no exception is needed"
        assert error
    elif "error" in case:
        assert bool(error) != ("kubernetes" in TAKEN.get(case["name"], {})), lines
    else:
        assert not error, error
        assert same(normal(json.loads(lines[0])["value"]), normal(case["value"]))


PYYAML = [("scalar " + line, "k: " + line + "\n") for line in SCALARS]
PYYAML += [("item " + line, "- " + line + "\n") for line in SCALARS]
PYYAML += [("key " + line, line + ": v\n") for line in SCALARS]
PYYAML += [(case["name"], case["text"]) for case in DOCUMENTS]


@pytest.mark.parametrize("name,text", PYYAML, ids=[name for name, _ in PYYAML])
def test_pyyaml(name, text):
    lines, error = read("pyyaml", text)
    try:
        value = yaml.safe_load(text)
        fits = fits_json(value)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, RecursionError):
        assert bool(error) != ("pyyaml" in TAKEN.get(name, {})), lines
        return
    if not fits or "pyyaml" in REFUSED.get(name, {}):
        assert error, lines
    else:
        assert not error, error
        # Keys that differ in Python only by type are one in JSON, and the later one wins.
        assert lines == [json.dumps(json.loads(json.dumps(value)))]


STRINGS = SCALARS + [
    "", " ", "  x", "x ", "x: y", "x:", "x #y", "# x", "- x", "-", "---", "--- x", "...", "? x",
    "a\nb", "a\nb\n", "a\n\nb", "\na", "a\n", "\n", "a\n\n", " a\nb", "a\n  b\n c\n", "a\n\tb",
    "a\r\nb", "tab\tin", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "é", "日本", "😀",
    "\x1b[0m", "x" * 2000, "a b " * 500, "=", "<<", "y", "n", "2020-01-01", "1:30", "0x1", "1e5",
    "$(a.b)", "'q'", '"q"', "\\", "%TAG", "@x", "`x", "*x", "&x", "!x", "|", ">", "{", "[", ",",
]


def random_tree(rng, depth):
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.choice([None, True, False, 0, 1, -5, 2**63 - 1, -2**63])
    if kind == 1:
        return rng.choice([0.1, 1e-5, 1e16 + 2, 1.5e300, -2.5, 5e-324, 1e21, 123456.789])
    if kind <= 4:
        return rng.choice(STRINGS)
    if kind <= 5:
        return [random_tree(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(STRINGS): random_tree(rng, depth - 1) for _ in range(rng.randrange(5))}


@pytest.mark.parametrize("seed", range(120))
def test_dump_reads_back(seed):
    tree = random_tree(random.Random(seed), 5)
    text = subprocess.run([tool("tool_yaml"), "dump"], input=json.dumps(tree).encode(),
                          capture_output=True, check=True).stdout.decode()
    assert yaml.safe_load(text) == tree
    for mode in ("pyyaml", "kubernetes"):
        lines, error = read(mode, text)
        assert not error, (error, text)
        assert same(json.loads(lines[0]), go_numbers(tree) if mode == "kubernetes" else tree)


def go_numbers(value):
    """Through kubectl a whole real below 2**63 arrives as an integer."""
    if isinstance(value, dict):
        return {key: go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [go_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and -2**63 <= value < 2**63:
        return int(value)
    return value


@pytest.mark.parametrize("text", STRINGS, ids=repr)
def test_dump_string(text):
    for tree in (text, [text], {text: text}, {"a": [{"b": text}]}):
        out = subprocess.run([tool("tool_yaml"), "dump"], input=json.dumps(tree).encode(),
                             capture_output=True, check=True).stdout.decode()
        assert yaml.safe_load(out) == tree
        for mode in ("pyyaml", "kubernetes"):
            lines, error = read(mode, out)
            assert not error, (error, out)
            assert json.loads(lines[0]) == tree
