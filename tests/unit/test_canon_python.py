"""Canonical JSON against Python's json.dumps, byte for byte, and floats against repr()."""

import json
import math
import os
import random
import struct
import subprocess

import pytest

from unit_tools import tool

STYLES = {
    "python": {"sort_keys": True},
    "ordered": {},
    "compact": {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False},
}
TEXT = ["", "a", "B", "é", "日本", "😀", "\u007f", "\u0080", "\ud7ff", "\ue000", "\uffff",
        "\U00010000", "\u2028", '"', "\\", "/", "\b\f\n\r\t", "\x01\x1f", "a b", "key", "0", "10", "9"]


def lines_through(style, values, *locale, env=None):
    text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    done = subprocess.run([tool("tool_canon"), style, *locale], input=text.encode(),
                          capture_output=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split("\n")[:-1]


def random_real(rng):
    while True:
        value = struct.unpack("<d", rng.randbytes(8))[0]
        if math.isfinite(value):
            return value


def random_tree(rng, depth):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, 1, -1, 2**63 - 1, -2**63, rng.randrange(-10**12, 10**12)])
    if kind == 2:
        return random_real(rng)
    if kind == 3:
        return rng.choice([0.0, -0.0, 1.0, 0.1, 1e-05, 0.0001, 1e16, 1e15, 123456789012345680.0,
                           9999999999999998.0, rng.random(), rng.uniform(-1e6, 1e6)])
    if kind <= 5:
        return "".join(rng.choices(TEXT, k=rng.randrange(4)))
    if kind == 6:
        return [random_tree(rng, depth - 1) for _ in range(rng.randrange(5))]
    return {"".join(rng.choices(TEXT, k=rng.randrange(1, 4))): random_tree(rng, depth - 1)
            for _ in range(rng.randrange(6))}


@pytest.mark.parametrize("style", STYLES)
def test_random_trees(style):
    rng = random.Random(7)
    trees = [random_tree(rng, 5) for _ in range(500)]
    for tree, line in zip(trees, lines_through(style, trees), strict=True):
        assert line == json.dumps(tree, **STYLES[style])


def test_reals():
    rng = random.Random(11)
    values = [math.ldexp(1.0, e) for e in range(-1074, 1024)]
    values += [math.nextafter(v, 0) for v in values[1:]]
    values += [math.nextafter(v, 9e999) for v in values[:1000]]
    values += [float(f"1e{e}") for e in range(-323, 309)]
    values += [float(f"9.5e{e}") for e in range(-320, 308)]
    values += [random_real(rng) for _ in range(20000)]
    values += [rng.randrange(1, 10**6) / 10**rng.randrange(1, 8) for _ in range(5000)]
    wrong = [(repr(v), line) for v, line in
             zip(values, lines_through("compact", values), strict=True) if repr(v) != line]
    assert not wrong


@pytest.fixture(scope="module")
def comma_locale(tmp_path_factory):
    """A locale whose decimal point is a comma, made for this test."""
    folder = tmp_path_factory.mktemp("locale")
    try:
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")],
                       capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("localedef and its sources are not here (package locales)")
    return {**os.environ, "LOCPATH": str(folder)}


def test_locale_changes_nothing(comma_locale):
    values = [1.5, {"b": 1e-05, "a": -0.25, "ä": 1e300, "z": [1234567.125]}]
    assert lines_through("python", values, "de_DE.UTF-8", env=comma_locale) == \
        [json.dumps(value, sort_keys=True) for value in values]
