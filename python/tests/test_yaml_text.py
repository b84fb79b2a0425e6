import json
import math

import pytest
import yaml
from fondant_operator import to_yaml

STRINGS = [
    "",
    " ",
    "a",
    "y",
    "No",
    "ON",
    "null",
    "~",
    "1",
    "1.0",
    "1e5",
    "0x1f",
    "017",
    "1_0",
    ".inf",
    "12:30",
    "2024-01-01",
    "=",
    "<<",
    "-",
    "- a",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "[a]",
    "{a",
    "&a",
    "*a",
    "!a",
    "%a",
    "@a",
    "|",
    ">",
    "'",
    '"',
    "\\",
    "\n",
    "\n\n",
    "a\n",
    "a\nb",
    "a\n\n",
    "a\n\n\n",
    "\na",
    " a\nb",
    "  \na",
    "a\n  b\n",
    "a\n \nb",
    "a\n\tb",
    "\ta\nb",
    "a\r\nb",
    "a\x85b",
    "a\u2028b\nc",
    "\ufeffa",
    "a\x07b",
    "é\nü",
    "🍫\n🍫",
    "---\na",
    "a\n---\nb",
    "a\n...\n",
    "x" * 2000,
    "a b" * 90,
    "trailing \nspace",
    "trailing ",
    "$(x)",
    "{{ x }}",
]


@pytest.mark.parametrize("text", STRINGS)
def test_strings_come_back(text):
    document = {
        "key": text,
        text: "value",
        "list": [text, [text], {"in": text}],
        "last": {text: []},
    }
    assert yaml.safe_load(to_yaml([document])) == document


@pytest.mark.parametrize(
    "value", [0, -1, 2**63 - 1, 0.1, 2.0, 1e-9, 1e22, 1.5e300, -0.0, True, None]
)
def test_numbers_come_back_with_their_type(value):
    back = yaml.safe_load(to_yaml([{"a": value}]))["a"]
    assert json.dumps(back) == json.dumps(value)


def test_words_of_one_reader_are_quoted_for_all():
    text = to_yaml([{"a": ["on", "1e5", "0o17", "2024-01-01"]}])
    assert text == 'a:\n- "on"\n- "1e5"\n- "0o17"\n- "2024-01-01"\n'


def test_source_is_a_literal_block():
    source = "import os\n\n\nclass A:\n    x = '%s'  # \"\n"
    assert to_yaml([{"source": source}]) == (
        "source: |\n  import os\n\n\n  class A:\n      x = '%s'  # \"\n"
    )


def test_documents_are_apart():
    assert list(yaml.safe_load_all(to_yaml([{"a": 1}, {"b": {}}]))) == [{"a": 1}, {"b": {}}]


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", object(), {1: 2}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError):
        to_yaml([{"a": value}])
