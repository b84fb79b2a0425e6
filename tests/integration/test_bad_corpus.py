"""tests/data/bad: wrong pipelines, each with what `validate` must say of it: NNN-name.yaml and
NNN-name.expected, a list of {path, reason, text, line} with `severity` where it is no error.

BAD_CORPUS_WRITE=1 writes what is said now; read every difference before keeping it: a message says
what is wrong, where, and what to do."""
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BAD = ROOT / "tests/data/bad"
PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
CASES = sorted(p.stem for p in BAD.glob("*.yaml"))


def said(name):
    done = subprocess.run([PROGRAM, "validate", "-f", f"{name}.yaml", "-o", "json"], cwd=BAD,
                          capture_output=True, text=True, timeout=60)
    assert not done.stderr
    found = json.loads(done.stdout)
    errors = [f for f in found if f["severity"] == "error"]
    assert done.returncode == (1 if errors else 0)
    return [{"path": f["path"], "reason": f["reason"], "text": f["message"], "line": f["line"],
             **({"severity": f["severity"]} if f["severity"] != "error" else {})} for f in found]


def test_the_corpus_is_whole():
    assert len(CASES) >= 150
    assert {p.stem for p in BAD.glob("*.expected")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_bad(name):
    found = said(name)
    path = BAD / f"{name}.expected"
    if os.environ.get("BAD_CORPUS_WRITE"):
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())
    assert found, "a wrong pipeline was accepted"
