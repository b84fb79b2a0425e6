"""This operator's own half: the exporter of python/ and the kubectl plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python/src"))
PLUGIN = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
RUN = "run-1"

from fondant_operator import ExportError, Options, export, to_yaml  # noqa: E402, F401


class Refused(Exception):
    """Findings of `kubectl fondant validate`."""

    def __init__(self, findings):
        super().__init__(
            "\n".join(f"{f['path']}: {f['message']} [{f['reason']}]" for f in findings)
        )
        self.findings = findings


def plugin(*args, text=""):
    done = subprocess.run([PLUGIN, *args], input=text.encode(), capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def validate(*files, text=None):
    """Every finding; files, or one text."""
    sources = [argument for name in files for argument in ("-f", str(name))] or ["-f", "-"]
    code, out, err = plugin(
        "validate",
        *sources,
        "-o",
        "json",
        "--working-directory",
        "s3://bucket/data",
        text=text or "",
    )
    assert code in (0, 1) and out, f"validate ended with {code}: {err}"
    return json.loads(out)


def errors(findings):
    return [f for f in findings if f["severity"] == "error"]


def compile_text(text):
    """(frozen spec, step -> arguments of its container) of a pipeline; Refused."""
    common = ("-f", "-", "--working-directory", "s3://bucket/data")
    code, out, err = plugin("compile", *common, "-o", "json", text=text)
    if code:
        findings = errors(validate(text=text))
        assert findings, f"compile refused, but validate did not: {err}"
        raise Refused(findings)
    assert not errors(validate(text=text)), "validate refused, but compile did not"
    frozen = json.loads(out)
    code, out, err = plugin("compile", *common, "-o", "argv", "--run", RUN, text=text)
    assert code == 0, err
    lines = map(json.loads, out.splitlines())
    return frozen, {line["step"]: line["args"] for line in lines}
