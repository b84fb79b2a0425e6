"""`kubectl fondant import` as its users run it; and the sources of Python components against the
shell that the framework's containers have: what printf writes there is what is imported."""
import json
import os
import random
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests/data/import"
PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
OK, FINDINGS, USAGE = 0, 1, 2
# refused because of one value that no pipeline here can hold; see tests/unit/test_cli_import.c
REFUSED = {"argtypes", "cache_flags"}


def cli(*args, stdin=None):
    return subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True, timeout=60)


def imported(text, *args):
    result = cli("import", "-", "-o", "json", *args, stdin=text.encode())
    return result, json.loads(result.stdout) if result.returncode == OK else None


@pytest.mark.parametrize("path", sorted(DATA.glob("*.y*ml")), ids=lambda p: p.name)
def test_golden(path):
    result = cli("import", path)
    if path.name.split(".")[0] in REFUSED:
        assert result.returncode == FINDINGS and not result.stdout
        assert f"{path}:".encode() in result.stderr and b": error: " in result.stderr
        return
    assert result.returncode == OK, result.stderr
    pipeline = yaml.safe_load(result.stdout)
    as_json = cli("import", path, "-o", "json")
    assert json.loads(as_json.stdout) == pipeline
    assert pipeline["kind"] == "FondantPipeline" and pipeline["spec"]["steps"]
    checked = cli("validate", "-f", "-", "--backend", "kubernetes", stdin=result.stdout)
    # a branch that reads a field of the other one: the framework accepts it, and fails when it runs
    wrong = path.name.startswith("branches")
    assert checked.returncode == (FINDINGS if wrong else OK), checked.stdout + checked.stderr


def test_errors_have_their_line():
    text = (DATA / "linear3.compose.yml").read_text().replace("- '10000'", "- 'ten'")
    result, _ = imported(text)
    line = text.split("\n").index("    - 'ten'") + 1
    assert result.returncode == FINDINGS and not result.stdout
    assert f"<stdin>:{line}:7: error: services.load_numbers.command[7]: ".encode() in result.stderr
    assert b"[InvalidArgument]" in result.stderr and b"    - 'ten'" in result.stderr


def test_second_document_has_its_line():
    text = (DATA / "resources.kfp.yaml").read_text().replace("nodeSelector", "tolerations")
    result, _ = imported(text)
    line = next(i for i, s in enumerate(text.split("\n"), 1) if "tolerations" in s)
    assert result.returncode == OK
    assert f"<stdin>:{line}:11: warning: platforms.".encode() in result.stderr
    assert b"[UnknownKey]" in result.stderr


def test_job_of_vertex():
    """What Vertex AI's own client sends: the pipeline is a part of it."""
    spec = yaml.safe_load((DATA / "linear3.kfp.yaml").read_text())
    result, pipeline = imported(json.dumps({"displayName": "x", "pipelineSpec": spec}))
    assert result.returncode == OK, result.stderr
    assert [s["name"] for s in pipeline["spec"]["steps"]] == [
        "load-numbers", "square-numbers", "write-numbers"]


def test_name():
    text = (DATA / "linear3.compose.yml").read_text()
    _, pipeline = imported(text, "--name", "other")
    assert pipeline["metadata"]["name"] == "other"
    assert pipeline["spec"]["datasetName"] == "linear3"
    result, _ = imported(text, "--name", "Not Good")
    assert result.returncode == FINDINGS and b"[InvalidName]" in result.stderr


def test_usage():
    assert cli("import").returncode == USAGE
    assert cli("import", "a", "b").returncode == USAGE
    assert cli("import", "/nonexistent/file").returncode == USAGE
    assert cli("import", "-", "-o", "xml", stdin=b"").returncode == USAGE
    for text in (b"", b"a: 1", b"services: {", b"\xff"):
        result = cli("import", "-", stdin=text)
        assert result.returncode == FINDINGS and b"error" in result.stderr and not result.stdout


# --- Python sources ---

def script(source, requirements=None):
    """As the framework writes it (dataset/dataset.py): shlex.quote and its indentation."""
    text = ""
    if requirements is not None:
        text += (f"                printf {shlex.quote(requirements)} > 'requirements.txt'\n"
                 "                python3 -m pip install -r requirements.txt\n")
    return text + (f"            printf {shlex.quote(source)} > 'main.py'\n"
                   '            fondant execute main "$@"\n')


def run_in_shell(text, folder):
    """main.py and requirements.txt that sh leaves, the programs it calls being empty; None: failed."""
    for name in ("python3", "fondant"):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
    result = subprocess.run(["/bin/sh", "-ec", text, "--"], cwd=folder, capture_output=True,
                            env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}, timeout=20)
    if result.returncode:
        return None
    return (folder / "main.py").read_bytes()


def document(text):
    doc = yaml.safe_load((DATA / "lightweight.compose.yml").read_text())
    doc["services"]["makerows"]["entrypoint"][2] = text
    return yaml.safe_dump(doc, allow_unicode=True)


def source_of(pipeline):
    return next(s for s in pipeline["spec"]["steps"] if s["name"] == "makerows")["component"]["python"]


PIECES = ["a", "'", '"', "\n", " ", "\\n", "\\t", "\\\\", "\\q", "\\101", "\\7", "\\", "%%", "%s", "%d",
          "%x", "%", "% ", "$HOME", "$(id)", "`id`", "é", "漢", "#", ";", "|", "\t", "\\e", "\\x41", "!"]


def test_sources_as_the_shell_delivers_them(tmp_path):
    """150 texts out of what shells and printf trip over (a fixed seed)."""
    choice = random.Random(20240101)
    agreed = refused = 0
    for number in range(150):
        source = "".join(choice.choice(PIECES) for _ in range(choice.randrange(1, 12)))
        folder = tmp_path / str(number)
        folder.mkdir()
        delivered = run_in_shell(script(source), folder)
        result, pipeline = imported(document(script(source)))
        if result.returncode == OK:
            assert delivered is not None, (source, "imported, but the shell fails")
            assert source_of(pipeline)["source"].encode() == delivered, source
            agreed += 1
            if delivered != source.encode():
                assert b"[SourceChanged]" in result.stderr
        else:
            assert b"[UnsupportedScript]" in result.stderr, result.stderr
            refused += 1
            # what is refused fails in the shell, or puts a formatted value in place of a directive
            assert delivered is None or "%" in source or "\\" in source, source
        written, pipeline = imported(document(script(source)), "--python-source=written")
        assert written.returncode == OK and source_of(pipeline)["source"] == source
    assert agreed > 70 and refused > 10


def test_requirements(tmp_path):
    text = "pandas==2.2.3\n# a comment\n\nrequests[socks]>=2,<3"
    result, pipeline = imported(document(script("import x\n", text)))
    assert result.returncode == OK, result.stderr
    assert source_of(pipeline)["requirements"] == ["pandas==2.2.3", "requests[socks]>=2,<3"]
