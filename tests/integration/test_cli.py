"""kubectl-fondant as its users run it: files in, text and exit codes out. The cluster of `cache` is
a few objects behind a small HTTP server."""
import hashlib
import http.server
import json
import os
import pty
import re
import resource
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
EXAMPLE = str(ROOT / "examples/clean-text")
OK, FINDINGS, USAGE = 0, 1, 2


def cli(*args, stdin=None, env=None, cwd=None):
    return subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, cwd=cwd)


def pipeline(name="p", steps=None, **spec):
    component = {"name": "L", "image": "example/l:1", "description": "Loads.",
                 "produces": {"x": {"type": "string"}}, "args": {"n": {"type": "int", "default": 1}}}
    return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": name},
            "spec": {"workingDirectory": "s3://lake/x",
                     "steps": steps or [{"name": "load", "component": {"spec": component}}], **spec}}


def write(path, *objects):
    path.write_text("---\n".join(o if isinstance(o, str) else json.dumps(o) + "\n" for o in objects))
    return str(path)


# --- validate -------------------------------------------------------------------------------------

def test_validate_says_all_is_well():
    done = cli("validate", "-f", EXAMPLE)
    assert done.returncode == OK
    assert done.stdout == "2 objects in 5 files: all is well\n"
    assert "Job skipped" in done.stderr


def test_validate_shows_the_line_and_the_place(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("""\
apiVersion: fondant.ai/v1alpha1
kind: FondantPipeline
metadata: {name: p}
spec:
  workingDirectory: s3://lake/x
  steps:
  - name: load
    component:
      spec:
        name: L
        image: example/l:1
        description: Loads.
        produces: {x: {type: string}}
        args: {min_words: {type: int}}
    arguments:
      min_wrods: 3
""")
    done = cli("validate", "-f", str(path))
    assert done.returncode == FINDINGS
    lines = done.stdout.split("\n")
    assert lines[0].startswith(f"{path}:15:5: error: spec.steps[0].arguments.min_words: ")
    assert lines[1:3] == ["   15 |     arguments:", "      |     ^"]
    assert lines[3].startswith(f"{path}:16:7: error: spec.steps[0].arguments.min_wrods: ")
    assert "did you mean `min_words`?" in lines[3] and lines[3].endswith("[UnknownArgument]")
    assert lines[4:6] == ["   16 |       min_wrods: 3", "      |       ^"]
    assert "2 errors" in lines[6]

    found = json.loads(cli("validate", "-f", str(path), "-o", "json").stdout)
    assert [(f["line"], f["column"], f["severity"], f["path"], f["reason"]) for f in found] == [
        (15, 5, "error", "spec.steps[0].arguments.min_words", "MissingArgument"),
        (16, 7, "error", "spec.steps[0].arguments.min_wrods", "UnknownArgument")]
    assert found[0]["file"] == str(path)
    assert found[0]["object"] == {"kind": "FondantPipeline", "name": "p"}


def test_validate_reads_stdin_folders_and_several_documents(tmp_path):
    component = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantComponent",
                 "metadata": {"name": "c"},
                 "spec": {"name": "C", "image": "example/c:1", "description": "d",
                          "produces": {"x": {"type": "string"}}}}
    user = pipeline(steps=[{"name": "load", "component": {"ref": {"name": "c"}}}])
    both = json.dumps(user) + "\n---\n" + json.dumps(component)
    assert cli("validate", "-f", "-", stdin=both).returncode == OK

    alone = cli("validate", "-f", "-", stdin=json.dumps(user))
    assert alone.returncode == OK and "waiting" in alone.stdout and "<stdin>:1:" in alone.stdout
    assert cli("validate", "-f", "-", "--strict", stdin=json.dumps(user)).returncode == FINDINGS

    (tmp_path / "deep/er").mkdir(parents=True)
    write(tmp_path / "p.yaml", user)
    write(tmp_path / "deep/er/c.json", component)
    assert "waiting" in cli("validate", "-f", str(tmp_path)).stdout
    done = cli("validate", "-f", str(tmp_path), "-R")
    assert done.returncode == OK and "2 objects in 2 files: all is well" in done.stdout

    as_list = {"apiVersion": "v1", "kind": "List", "items": [component, pipeline(name="UPPER")]}
    found = json.loads(cli("validate", "-f", "-", "-o", "json", stdin=json.dumps(as_list)).stdout)
    assert [f["path"] for f in found] == ["metadata.name"]


def test_validate_survives_loops_of_links_and_unreadable_things(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    write(tmp_path / "p.yaml", pipeline())
    done = cli("validate", "-R", "-f", str(tmp_path))
    assert done.returncode == OK and "1 object in 1 file" in done.stdout
    for path in (str(tmp_path / "none.yaml"), "/dev/null"):
        done = cli("validate", "-f", path)
        assert done.returncode == USAGE and path in done.stderr


def test_validate_of_nothing_is_not_success(tmp_path):
    write(tmp_path / "x.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}})
    done = cli("validate", "-f", str(tmp_path))
    assert done.returncode == FINDINGS and "nothing of fondant.ai" in done.stderr
    (tmp_path / "empty").mkdir()
    done = cli("validate", "-f", str(tmp_path / "empty"))
    assert done.returncode == FINDINGS and done.stdout == "" and "nothing of fondant.ai" in done.stderr


def test_component_files_are_read_as_the_framework_does(tmp_path):
    text = ("name: C\nimage: example/c:1\ndescription: d\nargs:\n  a: {type: str, default: 1e5}\n"
            "  b: {type: int, default: 2}\n")
    path = tmp_path / "fondant_component.yaml"
    path.write_text(text)
    assert cli("validate", "-f", str(path)).returncode == OK
    path.write_text(text + "  d: {type: str, default: 2024-01-01}\n")
    done = cli("validate", "-f", str(path))
    assert done.returncode == FINDINGS and ":7:" in done.stdout and "[InvalidYAML]" in done.stdout


def test_validate_warns_where_two_readers_differ(tmp_path):
    text = """\
apiVersion: fondant.ai/v1alpha1
kind: FondantPipeline
metadata: {name: p}
spec:
  workingDirectory: s3://lake/x
  description: 2024-01-01
  steps:
  - name: load
    component:
      spec:
        name: L
        image: example/l:1
        description: d
        produces: {x: {type: string}}
        args:
          sci: {type: float, default: 1e5}
          day: {type: str, default: 2024-01-01}
          time: {type: str, default: "1e5"}
"""
    path = tmp_path / "p.yaml"
    path.write_text(text)
    found = json.loads(cli("validate", "-f", str(path), "-o", "json").stdout)
    assert [(f["severity"], f["reason"], f["line"]) for f in found] == [
        ("warning", "ReadsDifferently", 16), ("warning", "ReadsDifferently", 17)]
    assert '"1e5"' in found[0]["message"] and "date" in found[1]["message"]


def test_other_kinds_are_shape_checked(tmp_path):
    head = {"apiVersion": "fondant.ai/v1alpha1", "metadata": {"name": "x"}}
    bad = [{**head, "kind": "FondantRun", "spec": {"pipelineRef": {"name": "p"},
                                                  "frozenSpecRef": {"name": "q"}}},
           {**head, "kind": "FondantBackend", "spec": {"kubernets": {}}},
           {**head, "kind": "FondantPipelines", "spec": {}},
           {**head, "kind": "FondantRun", "spec": {"pipelineRef": {"name": "p"}},
            "metadata": {"generateName": "r-"}}]
    path = write(tmp_path / "x.yaml", *bad)
    found = json.loads(cli("validate", "-f", path, "-o", "json").stdout)
    assert [(f["path"], f["reason"]) for f in found] == [
        ("spec", "InvalidValue"), ("spec", "InvalidValue"), ("spec.kubernets", "UnknownField"),
        ("", "UnknownKind")]
    assert "did you mean `kubernetes`?" in found[2]["message"]


SECRETS = """\
apiVersion: fondant.ai/v1alpha1
kind: FondantPipeline
metadata: {name: p}
spec:
  workingDirectory: s3://lake/x
  steps:
  - name: load
    component: {spec: {name: L, image: "example/l:1", description: d, produces: {x: {type: string}},
      args: {token: {type: str}}}}
%s
"""


@pytest.mark.parametrize("lines, hidden", [
    ("    secretArguments: {token: hunter2}\n    retries: 1", 1),
    ("    secretArguments:\n      token: hunter2", 1),
    ("    secretArguments:\n      token:\n        value: hunter2", 2),
    ("    secretArguments: hunter2", 1),
    ("    secretArgs: {token: hunter2}", 1),
    ("    secretArguments: {token: hunter2}\n    arguments: {n: 1}", 1),
    ("    secretArguments: {token: @hunter2}", 1),
    ("    secretArguments: {token: *hunter2}", 1),
    ("    secretArguments: {token: !hunter2 x}", 1),
    ("  - {name: second, nmae: x, secretArguments: {token: hunter2}, argumnets: {}}", 2),
])
def test_a_mistyped_secret_is_never_printed(tmp_path, lines, hidden):
    path = tmp_path / "p.yaml"
    path.write_text(SECRETS % lines)
    shown = cli("validate", "-f", str(path))
    assert shown.returncode == FINDINGS
    assert shown.stdout.count("(line not shown: it holds secretArguments)") >= hidden, shown.stdout
    for done in (shown, cli("validate", "-f", str(path), "-o", "json"),
                 cli("compile", "-f", str(path))):
        assert done.returncode == FINDINGS
        assert "hunter2" not in done.stdout + done.stderr


@pytest.fixture(scope="session")
def cp_api(cp_kubectl):
    """What an API server says of an object: `kubectl create --dry-run=server`."""
    for name in ("fondantruns", "fondantbackends"):
        assert cp_kubectl("apply", "-f", "-", input=(ROOT / f"crds/fondant.ai_{name}.yaml").read_text()
                          ).returncode == 0
    for name in ("fondantruns", "fondantbackends"):
        assert cp_kubectl("wait", "--for=condition=Established", f"crd/{name}.fondant.ai").returncode == 0

    def create(thing):
        return cp_kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(thing))
    return create


def found_in(path, *more):
    done = cli("validate", "-f", path, "-o", "json", *more)
    return [(f["object"]["name"], f["line"], f["path"], f["reason"]) for f in json.loads(done.stdout)]


def run_of(**spec):
    return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantRun", "metadata": {"name": "r"},
            "spec": spec}


@pytest.mark.parametrize("spec, path", [
    ({"frozenSpecRef": {"name": "p-1"}, "parameters": [{"name": "a", "value": 1}]},
     "spec.parameters"),
    ({"resumeFrom": {"runName": "r", "step": "s"}, "parameters": []}, "spec.parameters"),
    ({"pipelineRef": {"name": "p" * 64}}, "spec.pipelineRef.name"),
    ({"pipelineRef": {"name": "p"}, "scheduledTime": ""}, "spec.scheduledTime"),
    ({"pipelineRef": {"name": "p"}, "scheduledTime": "2026-11-24"}, "spec.scheduledTime"),
    ({"pipelineRef": {"name": "p"}, "ttlAfterFinished": "1d"}, "spec.ttlAfterFinished"),
    ({"pipelineRef": {"name": "p"}, "readyWhen": "Done"}, "spec.readyWhen"),
    ({"pipelineRef": {"name": "p"}, "parameters": [{"name": "a", "value": 1}] * 2},
     "spec.parameters[1].name"),
    ({"pipelineRef": {"name": "p"}, "parameters": [{"name": f"a{i}", "value": 1} for i in range(101)]},
     "spec.parameters"),
])
def test_runs_are_checked_as_the_api_server_does(tmp_path, cp_api, spec, path):
    assert [f[2] for f in found_in(write(tmp_path / "r.yaml", run_of(**spec)))] == [path]
    assert cp_api(run_of(**spec)).returncode != 0


@pytest.mark.parametrize("spec", [
    {"pipelineRef": {"name": "p"}, "parameters": [{"name": f"a{i}", "value": 1} for i in range(100)]},
    {"pipelineRef": {"name": "p"}, "parameters": [{"name": "a"}]},
    {"frozenSpecRef": {"name": "p" * 253}, "scheduledTime": "2026-11-24T03:00:00Z"},
    {"resumeFrom": {"runName": "r", "step": "s"}, "readyWhen": "Finished", "ttlAfterFinished": "1h30m",
     "desiredState": "Cancelled", "backendRef": {"name": "b"}},
])
def test_runs_that_the_api_server_takes_are_well(tmp_path, cp_api, spec):
    assert found_in(write(tmp_path / "r.yaml", run_of(**spec))) == []
    done = cp_api(run_of(**spec))
    assert done.returncode == 0, done.stderr


def test_runs_are_compiled_with_their_parameters(tmp_path):
    p = pipeline(parameters=[{"name": "rows", "type": "int"}, {"name": "uri", "type": "str", "default": None}])
    p["spec"]["steps"][0]["arguments"] = {"n": "$(parameters.rows)"}
    write(tmp_path / "a.yaml", p)
    run = """\
apiVersion: fondant.ai/v1alpha1
kind: FondantRun
metadata: {name: r}
spec:
  pipelineRef: {name: p}
  parameters:
  - name: rows
    value: %s
  - name: uri
    value: x
"""
    (tmp_path / "r.yaml").write_text(run % "5")
    assert found_in(str(tmp_path)) == []
    (tmp_path / "r.yaml").write_text(run % "many")
    assert found_in(str(tmp_path)) == [("r", 8, "spec.parameters[0].value", "InvalidParameter")]
    (tmp_path / "r.yaml").write_text((run % "5").replace("rows", "rosw"))
    assert found_in(str(tmp_path)) == [("r", 6, "spec.parameters", "ParameterRequired"),
                                       ("r", 7, "spec.parameters[0].name", "UnknownParameter")]
    # what the value does further on
    reader = {"name": "R", "image": "example/r:1", "description": "d", "consumes": {"x": {"type": "string"}}}
    p["spec"]["steps"] = [{"name": "read", "component": {"spec": reader},
                           "consumes": {"x": {"type": "string"}},
                           "fromManifest": "$(parameters.uri)"}]
    write(tmp_path / "a.yaml", p)
    (tmp_path / "r.yaml").write_text(run % "5")
    found = json.loads(cli("validate", "-f", str(tmp_path), "-o", "json").stdout)
    assert [(f["object"]["kind"], f["path"]) for f in found] == [("FondantRun", "spec.pipelineRef")], found
    assert "spec.steps[0].fromManifest" in found[0]["message"]
    assert "s3://bucket/folder/manifest.json" in found[0]["message"]


@pytest.mark.parametrize("directory, good", [
    ("s3://lake/x", True), ("/data/x", True), ("data/x", False), ("s3://lake/../x", False),
    ("file:///data", False), ("/", False)])
def test_the_directory_of_a_backend(tmp_path, directory, good):
    backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend", "metadata": {"name": "b"},
               "spec": {"kubernetes": {}, "workingDirectory": directory}}
    path = write(tmp_path / "b.yaml", backend)
    assert found_in(path) == ([] if good else [("b", 1, "spec.workingDirectory", "InvalidValue")])


def test_text_of_hostile_files_cannot_reach_the_terminal(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b'apiVersion: fondant.ai/v1alpha1\nkind: FondantPipeline\nmetadata: {name: p}\n'
                     b'spec: {"\\u001b[31mred": 1, workingDirectory: s3://a/b, steps: []}\n'
                     b'# \xc2\x9b \xe2\x80\xae\n')
    done = cli("validate", "-f", str(path))
    assert done.returncode == FINDINGS
    assert "\033" not in done.stdout and "\x9b" not in done.stdout


def on_terminal(*args, env):
    """The program's output when it is a terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen([PROGRAM, *args], stdout=slave, stderr=slave, stdin=subprocess.DEVNULL,
                             env={**os.environ, "TERM": "xterm", **env})
    os.close(slave)
    out = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    child.wait(timeout=30)
    os.close(master)
    return out


def test_colours_only_on_a_terminal_and_never_with_no_color(tmp_path):
    path = write(tmp_path / "p.yaml", pipeline(name="UPPER"))
    assert b"\033[1;31m" in on_terminal("validate", "-f", path, env={"NO_COLOR": ""})
    assert b"\033" not in on_terminal("validate", "-f", path, env={"NO_COLOR": "1"})
    assert "\033" not in cli("validate", "-f", path).stdout


def test_a_thousand_files_in_two_seconds(tmp_path):
    text = (Path(EXAMPLE) / "pipeline.yaml").read_text()
    for i in range(1000):
        (tmp_path / f"p{i}.yaml").write_text(text.replace("name: clean-text\n", f"name: p{i}\n", 1))
    write(tmp_path / "c.yaml", (Path(EXAMPLE) / "component.yaml").read_text())
    # processor time, so that what else the machine does is not measured
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = cli("validate", "-f", str(tmp_path))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == OK, done.stdout[-2000:]
    assert "1001 objects in 1001 files: all is well" in done.stdout
    assert seconds < (20 if "asan" in PROGRAM else 2), seconds


# --- compile --------------------------------------------------------------------------------------

def test_compile_json_is_the_text_that_is_hashed():
    done = cli("compile", "-f", EXAMPLE, "-o", "json")
    assert done.returncode == OK
    text = done.stdout.removesuffix("\n")
    name = "clean-text-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    assert name in cli("compile", "-f", EXAMPLE).stdout
    frozen = json.loads(text)
    assert text == json.dumps(frozen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert [s["name"] for s in frozen["steps"]] == ["load", "filter", "normalize", "write"]
    # and a frozen spec is taken as it is
    again = cli("compile", "-f", "-", "-o", "json", stdin=done.stdout)
    assert again.stdout == done.stdout


def test_compile_wide_shows_components_and_fields():
    done = cli("compile", "-f", EXAMPLE, "-o", "wide")
    rows = [line.split() for line in done.stdout.split("\n")[2:] if line]
    assert [row[0] for row in rows] == ["load", "filter", "normalize", "write"]
    assert rows[2][-2:] == ["n_words:int32", "text:string"]
    assert re.fullmatch("[0-9a-f]{12}", rows[2][-3])


def test_compile_argv_is_what_containers_get():
    done = cli("compile", "-f", EXAMPLE, "-o", "argv", "--run", "trial")
    assert done.returncode == OK
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == ["load", "filter", "normalize", "write"]
    assert all(line["command"] == ["fondant", "execute", "main"] for line in lines)
    args = lines[1]["args"]
    at = args.index("--input_manifest_path")
    assert args[at + 1] == "/data/artifacts/clean-text/trial/load/manifest.json"
    assert json.loads(args[args.index("--metadata") + 1])["run_id"] == "trial"


def test_compile_native_is_a_list_of_jobs():
    done = cli("compile", "-f", EXAMPLE, "-o", "native", "--run", "trial")
    assert done.returncode == OK
    assert done.stdout.startswith("apiVersion: v1\nkind: List\n")
    assert done.stdout.count("kind: Job\n") == 4


def test_parameters_digests_and_what_is_missing(tmp_path):
    p = pipeline(parameters=[{"name": "rows", "type": "int"}])
    p["spec"]["steps"][0]["arguments"] = {"n": "$(parameters.rows)"}
    path = write(tmp_path / "p.yaml", p)
    frozen = json.loads(cli("compile", "-f", path, "-o", "json").stdout)
    assert frozen["parameters"] == {"rows": None}
    done = cli("compile", "-f", path, "-o", "argv")
    assert done.returncode == FINDINGS and "ParameterRequired" in done.stderr

    digest = "sha256:" + "a" * 64
    done = cli("compile", "-f", path, "-o", "json", "-p", "rows=7",
               "--digest", f"example/l:1={digest}")
    frozen = json.loads(done.stdout)
    assert frozen["parameters"] == {"rows": 7}
    assert frozen["steps"][0]["arguments"] == {"n": 7}
    assert frozen["steps"][0]["image"] == f"example/l@{digest}"
    assert frozen["steps"][0]["imageTag"] == "example/l:1"

    for wrong in (["-p", "rows"], ["--digest", "a=b"], ["--run", "UPPER"], ["-o", "xml"],
                  ["--scheduled-time", "noon"]):
        done = cli("compile", "-f", path, *wrong)
        assert done.returncode == USAGE and not done.stdout, wrong
    for value in ("many", "+5"):
        done = cli("compile", "-f", path, "-p", f"rows={value}")
        assert done.returncode == FINDINGS
        assert done.stderr == ("-p rows: error: parameter `rows` is declared as int, and this is a string "
                               "[InvalidParameter]\n")
    assert "; remove the quotes" in cli("compile", "-f", path, "-p", 'rows="5"').stderr
    done = cli("compile", "-f", path, "-p", "rows=1", "-p", "rosw=1")
    assert done.returncode == FINDINGS and "did you mean `rows`?" in done.stderr
    assert done.stderr.startswith("-p rosw: error: ") and done.stderr.count("\n") == 1


def test_compile_of_a_wrong_pipeline_prints_nothing_on_stdout(tmp_path):
    path = write(tmp_path / "p.yaml", pipeline(name="UPPER"), pipeline(name="good"))
    done = cli("compile", "-f", path, "-o", "json")
    assert done.returncode == FINDINGS and not done.stdout and "metadata.name" in done.stderr
    done = cli("compile", "-f", path, "good", "-o", "json")
    assert done.returncode == OK and json.loads(done.stdout)["pipeline"] == "good"
    assert cli("compile", "-f", path, "none").returncode == FINDINGS


FULL = """\
apiVersion: fondant.ai/v1alpha1
kind: FondantPipeline
metadata: {name: clean-text, namespace: data}
spec:
  workingDirectory: s3://lake/fondant
  parameters: [{name: rows, type: int, default: 10000}]
  steps:
  - name: load
    component: {catalog: {name: load_from_parquet, version: 0.12.1}}
    arguments:
      dataset_uri: s3://lake/raw/$(run.scheduledDate)
      n_rows_to_load: $(parameters.rows)
    produces: {text: {type: string}}
  - name: title
    from: [load]
    component:
      python:
        image: fndnt/fondant:0.12.1-py3.11
        sourceFrom: {configMapKeyRef: {name: title-src, key: title.py}}
        consumes: {text: {type: string}}
        produces: {title: {type: string}}
  - name: size
    from: [load]
    component:
      spec: {name: Size, description: d, image: "r/s:1", consumes: {text: {type: string}},
             produces: {words: {type: int32}}}
  - name: publish
    from: [title, size]
    component:
      spec: {name: Publish, description: d, image: "r/p:1", consumes: {body: {type: string}},
             args: {token: {type: str}}}
    consumes: {body: {field: text}}
    secretArguments: {token: {secretKeyRef: {name: warehouse, key: token}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: title-src, namespace: data}
data:
  title.py: |
    from fondant.component import PandasTransformComponent
    class Title(PandasTransformComponent):
        def transform(self, dataframe): return dataframe
"""


def test_the_whole_language_at_once():
    assert "all is well" in cli("validate", "-f", "-", stdin=FULL).stdout
    done = cli("compile", "-f", "-", "-o", "argv", "--run", "r1", "-p", "rows=5",
               "--scheduled-time", "2026-01-02T03:04:05Z", stdin=FULL)
    assert done.returncode == OK, done.stderr
    steps = {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}
    load, publish = steps["load"]["args"], steps["publish"]
    assert load[load.index("--dataset_uri") + 1] == "s3://lake/raw/2026-01-02"
    assert load[load.index("--n_rows_to_load") + 1] == "5"
    manifest = publish["args"][publish["args"].index("--input_manifest_path") + 1]
    assert manifest == "s3://lake/fondant/clean-text/r1/publish.inputs/manifest.json"
    assert publish["secretArguments"]["token"]["secretKeyRef"]["name"] == "warehouse"
    assert "warehouse" not in json.dumps(publish["args"])
    wide = cli("compile", "-f", "-", stdin=FULL).stdout
    assert wide.count("+run ") == 4 and "words:int32" in wide
    missing = cli("compile", "-f", "-", stdin=FULL[:FULL.index("---")])
    assert missing.returncode == FINDINGS and "SourceNotFound" in missing.stderr


# --- explain --------------------------------------------------------------------------------------

def two_steps(rows, words):
    load = {"name": "L", "image": "example/l:1", "description": "d",
            "produces": {"x": {"type": "string"}}, "args": {"rows": {"type": "int"}}}
    keep = {"name": "K", "image": "example/k:1", "description": "d",
            "consumes": {"x": {"type": "string"}}, "args": {"words": {"type": "int"}}}
    return pipeline(steps=[
        {"name": "load", "component": {"spec": load}, "arguments": {"rows": rows}},
        {"name": "keep", "component": {"spec": keep}, "arguments": {"words": words}}])


def test_explain_finds_what_differs(tmp_path):
    new = write(tmp_path / "new.yaml", two_steps(20, 5))
    old = write(tmp_path / "old.yaml", two_steps(10, 4))
    done = cli("explain", "keep", "-f", new, "--against", old)
    assert done.returncode == FINDINGS
    assert "arguments.words: 4 -> 5" in done.stdout
    assert "input load: its key differs, because\n  arguments.rows: 10 -> 20" in done.stdout

    tree = json.loads(cli("explain", "keep", "-f", new, "--against", old, "-o", "json").stdout)
    assert tree["key"] != tree["before"]
    assert {d["part"] for d in tree["differences"]} == {"arguments.words", "input load"}
    assert tree["differences"][1]["inputs"] == [{"part": "arguments.rows", "before": 10, "after": 20}]

    frozen = tmp_path / "frozen.json"
    frozen.write_text(cli("compile", "-f", new, "-o", "json").stdout)
    done = cli("explain", "keep", "-f", new, "--against", str(frozen))
    assert done.returncode == OK and "the same key" in done.stdout
    stored = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p-1"},
              "data": {"spec.json": frozen.read_text().strip()}}
    assert cli("explain", "keep", "-f", new, "--against",
               write(tmp_path / "cm.yaml", stored)).returncode == OK


def test_explain_names_every_part(tmp_path):
    path = write(tmp_path / "p.yaml", two_steps(10, 4))
    done = cli("explain", "keep", "-f", path)
    parts = [line.split()[0] for line in done.stdout.split("\n")[4:] if line]
    assert parts == ["image", "component.args.words", "component.consumes.x", "arguments.words",
                     "input"]
    missing = cli("explain", "nope", "-f", path)
    assert missing.returncode == FINDINGS and "load, keep" in missing.stderr


def test_what_does_not_count_changes_no_key(tmp_path):
    one, other = two_steps(10, 4), two_steps(10, 4)
    other["spec"]["steps"][1]["component"]["spec"]["description"] = "Other words."
    other["spec"]["steps"][1]["resources"] = {"requests": {"cpu": "1"}}
    done = cli("explain", "keep", "-f", write(tmp_path / "a.yaml", one),
               "--against", write(tmp_path / "b.yaml", other))
    assert done.returncode == OK, done.stdout


def test_explain_leaves_out_what_is_declared_and_what_is_secret(tmp_path):
    one = two_steps(10, 4)
    one["spec"]["steps"][1]["consumes"] = {"x": {"type": "string"}}
    one["spec"]["steps"].append({
        "name": "py", "arguments": {"n": 1},
        "secretArguments": {"token": {"secretKeyRef": {"name": "s", "key": "k"}}},
        "component": {"python": {"image": "example/py:1", "source": "import x\n",
                                 "consumes": {"x": {"type": "string"}}, "produces": {}}}})
    path = write(tmp_path / "p.yaml", one)
    done = cli("explain", "keep", "-f", path)
    assert done.returncode == OK and "arguments.words" in done.stdout
    assert "\n  consumes.x" not in done.stdout
    done = cli("explain", "py", "-f", path)
    assert done.returncode == OK and "component.args.n" in done.stdout
    assert "token" not in done.stdout


# --- catalogue, help, completion, man -----------------------------------------------------------------

def test_components_lists_and_shows():
    listed = json.loads(cli("components", "-o", "json").stdout)
    assert len(listed) == 27
    assert "load_from_parquet" in cli("components").stdout
    shown = cli("components", "load_from_parquet")
    assert shown.returncode == OK and "dataset_uri: str, required" in shown.stdout
    assert "catalog: {name: load_from_parquet, version: 0.12.1}" in shown.stdout
    assert cli("components", "nope").returncode == FINDINGS
    near = cli("components", "load_from_parqet")
    assert near.returncode == FINDINGS and "did you mean `load_from_parquet`?" in near.stderr
    other = cli("components", "load_from_parquet", "--version", "9")
    assert other.returncode == FINDINGS and "there is version 0.12.1" in other.stderr
    for entry in listed:
        text = cli("components", entry["name"], "-o", "yaml").stdout
        done = cli("validate", "-f", "-", stdin=text)
        assert done.returncode == OK, (entry["name"], done.stdout)


COMMANDS = ["validate", "compile", "run", "status", "logs", "cancel", "explain", "components", "cache",
            "cache ls", "cache prune", "completion", "version", "help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command):
    done = cli(*command.split(), "--help")
    assert done.returncode == OK
    assert done.stdout.startswith(f"kubectl fondant {command}: ") and "Usage:" in done.stdout
    assert "Exit code:" in done.stdout
    assert max(map(len, done.stdout.split("\n"))) <= 120
    if command not in ("version", "help", "cache"):
        assert "Examples:" in done.stdout
    assert cli("help", *command.split()).stdout == done.stdout


def test_wrong_usage_says_what_is_right():
    for args, word in (([], "Commands:"), (["validat"], 'did you mean "validate"'),
                       (["validate"], "--filename FILE is required"),
                       (["validate", "-f"], "needs a value"),
                       (["validate", "-f", "x", "-o", "xml"], "json, yaml"),
                       (["validate", "-f", "x", "--nope"], "unknown option"),
                       (["validate", "-f", "x", "more"], "one word too many"),
                       (["explain", "-f", "x"], "usage: explain STEP"),
                       (["cache"], "Commands:"), (["cache", "rm"], "unknown command")):
        done = cli(*args)
        assert done.returncode == USAGE and word in done.stderr and not done.stdout, args


def complete(*words):
    lines = cli("__complete", *words).stdout.splitlines()
    return [line.split("\t")[0] for line in lines[:-1]], lines[-1]


def test_completion_knows_the_option_table():
    assert "validate" in complete("")[0] and "man" not in complete("")[0]
    assert complete("va") == (["validate"], ":4")
    assert complete("cache", "") == (["ls", "prune"], ":4")
    assert complete("compile", "-o", "") == (["wide", "json", "yaml", "argv", "native"], ":4")
    assert complete("compile", "--output=ar") == (["--output=argv"], ":4")
    assert complete("validate", "-f", "") == ([], ":0")
    assert "--older-than" in complete("cache", "prune", "--")[0]
    assert "load_from_parquet" in complete("components", "load_")[0]
    assert complete("completion", "") == (["bash", "zsh", "fish"], ":4")


def test_bash_completion_runs():
    script = cli("completion", "bash").stdout
    asked = (f'PATH={os.path.dirname(PROGRAM)}:$PATH\n{script}\n'
             'COMP_WORDS=(kubectl-fondant compile --output=a); COMP_CWORD=2\n_kubectl_fondant\n'
             'printf "%s\\n" "${COMPREPLY[@]}"\n')
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=30)
    assert done.stdout == "--output=argv\n", done.stderr
    for shell in ("zsh", "fish"):
        assert "__complete" in cli("completion", shell).stdout


def test_man_pages(tmp_path):
    assert cli("man", str(tmp_path)).returncode == OK
    names = {p.name for p in tmp_path.iterdir()}
    for command in COMMANDS:
        assert f"kubectl-fondant-{command.replace(' ', '-')}.1" in names
    page = (tmp_path / "kubectl-fondant-compile.1").read_text()
    assert ".SH EXIT STATUS" in page and "scheduled\\-time" in page
    assert "kubectl\\-fondant\\-compile \\- " in page


# --- cache ----------------------------------------------------------------------------------------

class Api:
    """Lists and patches of a few objects, as an API server answers them."""

    def __init__(self):
        self.objects = {plural: [] for plural in
                        ("configmaps", "fondantruns", "fondantpipelines", "fondantcomponents")}
        self.patches = []
        self.forbidden = set()
        self.conflicts = 0
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, code, body):
                text = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                url = urlsplit(self.path)
                parts = url.path.strip("/").split("/")
                ns = parts[parts.index("namespaces") + 1] if "namespaces" in parts else None
                if parts[-1] in api.forbidden:
                    self.answer(403, {"kind": "Status", "status": "Failure", "code": 403,
                                      "reason": "Forbidden", "message": "may not list"})
                    return
                label = parse_qs(url.query).get("labelSelector", [""])[0].split("=")[0]
                items = [o for o in api.objects[parts[-1]]
                         if (not ns or o["metadata"].get("namespace") == ns) and
                         (not label or label in o["metadata"].get("labels", {}))]
                self.answer(200, {"kind": "List", "apiVersion": "v1",
                                  "metadata": {"resourceVersion": "9"}, "items": items})

            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if api.conflicts:
                    api.conflicts -= 1
                    self.answer(409, {"kind": "Status", "status": "Failure", "code": 409,
                                      "reason": "Conflict", "message": "changed"})
                    return
                api.patches.append((urlsplit(self.path).path, body))
                self.answer(200, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}})

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def index(self, entries, namespace="data"):
        self.objects["configmaps"].append({
            "metadata": {"name": "fondant-cache-1", "namespace": namespace, "resourceVersion": "7",
                         "labels": {"fondant.ai/cache-index": "true"},
                         "annotations": {"fondant.ai/dataset": "docs",
                                         "fondant.ai/working-directory": "/data/artifacts"}},
            "data": {key: json.dumps({"at": at, "inputs": [], "time": when})
                     for key, at, when in entries}})


@pytest.fixture
def api(tmp_path):
    api = Api()
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "data"}}],
        "clusters": [{"name": "c", "cluster": {
            "server": f"http://127.0.0.1:{api.server.server_address[1]}"}}],
        "users": [{"name": "u", "user": {}}]}))
    api.args = ["--kubeconfig", str(config)]
    yield api
    api.server.shutdown()
    api.server.server_close()


KEYS = ["a" * 64, "ab" + "c" * 62, "d" * 64]


def test_cache_ls(api):
    now = int(time.time())
    api.index([(KEYS[0], "run-1-aabbccdd/load", now - 7300), (KEYS[1], "run-2-aabbccdd/load", now)])
    done = cli("cache", "ls", *api.args)
    assert done.returncode == OK, done.stderr
    rows = [line.split() for line in done.stdout.split("\n") if line]
    assert rows[0] == ["DATASET", "KEY", "AGE", "AT", "WORKING-DIRECTORY"]
    assert rows[2] == ["docs", "a" * 12, "2h", "run-1-aabbccdd/load", "/data/artifacts"]
    listed = json.loads(cli("cache", "ls", "-o", "json", *api.args).stdout)
    assert [e["key"] for e in listed] == [KEYS[1], KEYS[0]]
    assert cli("cache", "ls", "-n", "other", *api.args).stdout.count("\n") == 1


def test_cache_prune(api):
    now = int(time.time())
    api.index([(KEYS[0], "r/a", now - 7300), (KEYS[1], "r/b", now), (KEYS[2], "r/c", now - 9000)])
    done = cli("cache", "prune", "--older-than", "1h", "--dry-run", *api.args)
    assert done.returncode == OK and "2 entries would be removed" in done.stdout
    assert not api.patches
    api.conflicts = 1
    done = cli("cache", "prune", "--older-than", "1h", *api.args)
    assert done.returncode == OK and "2 entries removed" in done.stdout
    path, body = api.patches.pop()
    assert path.endswith("/namespaces/data/configmaps/fondant-cache-1")
    assert body == {"metadata": {"resourceVersion": "7"}, "data": {KEYS[0]: None, KEYS[2]: None}}
    cli("cache", "prune", "--key", KEYS[1][:8], *api.args)
    assert api.patches.pop()[1]["data"] == {KEYS[1]: None}
    for wrong in ([], ["--key", "xyz"], ["--older-than", "long"], ["--data", "--all"],
                  ["--all", "--volume", "/x"]):
        assert cli("cache", "prune", *wrong, *api.args).returncode == USAGE, wrong
    assert not api.patches


def test_cluster_that_refuses_or_is_not_there(api, tmp_path):
    api.forbidden.add("configmaps")
    done = cli("cache", "ls", *api.args)
    assert done.returncode == USAGE and "may not list" in done.stderr
    done = cli("cache", "ls", "--kubeconfig", str(tmp_path / "none"))
    assert done.returncode == USAGE and "none" in done.stderr


def run_folder(root, name, step="load", uses=(), dataset="docs", run_id=None):
    folder = root / dataset / name / step
    folder.mkdir(parents=True)
    where = f"/data/artifacts/{dataset}/{name}/{step}"
    (folder / "manifest.json").write_text(json.dumps({
        "metadata": {"dataset_name": dataset, "run_id": run_id or name, "component_id": step},
        "index": {"location": where},
        "fields": {"x": {"location": where, "type": "string"},
                   **{f"f{i}": {"location": f"/data/artifacts/docs/{u}/load", "type": "string"}
                      for i, u in enumerate(uses)}}}))
    (folder / "part.0.parquet").write_bytes(b"x" * 1000)
    age(folder.parent)


def age(folder, seconds=86400):
    when = time.time() - seconds
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (when, when), follow_symlinks=False)


@pytest.fixture
def volume(tmp_path):
    root = tmp_path / "volume"
    root.mkdir()
    return root


def prune_data(api, volume, *more):
    return cli("cache", "prune", "--data", "--volume", f"/data/artifacts={volume}", *api.args, *more)


def left(volume, dataset="docs"):
    return sorted(p.name for p in (volume / dataset).iterdir())


def test_prune_data_removes_only_what_nothing_refers_to(api, volume):
    ids = {name: f"{name}-0000000{i}" for i, name in enumerate(
        ("gone", "alive", "cached", "piped", "frozen", "base", "young", "strange"))}
    for name in ("gone", "alive", "cached", "piped", "frozen", "base"):
        run_folder(volume, ids[name], uses=[ids["base"]] if name == "cached" else [])
    run_folder(volume, ids["gone"] + "-a2")
    run_folder(volume, ids["alive"] + "-a2")
    run_folder(volume, ids["young"])
    age(volume / "docs" / ids["young"], 10)
    run_folder(volume, ids["strange"], run_id="somebody-else")
    (volume / "docs/cache").mkdir()
    (volume / "docs/notes-12345678").mkdir()
    api.objects["fondantruns"].append({"metadata": {
        "name": "alive", "namespace": "other", "uid": "00000001-1111"}, "spec": {}})
    api.index([(KEYS[0], ids["cached"] + "/load", 5)], namespace="third")
    api.objects["fondantpipelines"].append({"metadata": {"name": "p", "namespace": "x"}, "spec": {
        "steps": [{"fromManifest": f"/data/artifacts/docs/{ids['piped']}/load/manifest.json"}]}})
    api.objects["configmaps"].append({
        "metadata": {"name": "q", "namespace": "x", "labels": {"fondant.ai/frozen-spec": "true"}},
        "data": {"spec.json": f"... {ids['frozen']} ..."}})
    before = left(volume)

    done = prune_data(api, volume, "--dry-run")
    assert done.returncode == OK, done.stderr
    assert left(volume) == before
    would = re.findall(r"would remove /data/artifacts/docs/(\S+)", done.stdout)
    assert would == [ids["gone"], ids["gone"] + "-a2"]
    assert "2 of 12 folders would be removed" in done.stdout
    for name, why in (("alive", "its FondantRun is there"), ("cached", "cache entry"),
                      ("piped", "FondantPipeline"), ("frozen", "frozen spec"), ("base", "fields"),
                      ("young", "too young"), ("strange", "do not prove")):
        assert re.search(f"keep .*/{ids[name]}: .*{why}", done.stdout), (name, done.stdout)

    done = prune_data(api, volume)
    assert done.returncode == OK, done.stderr
    assert left(volume) == [n for n in before if not n.startswith("gone-")]


def test_prune_data_never_leaves_its_folder(api, volume, tmp_path):
    outside = tmp_path / "outside"
    run_folder(outside, "far-00000001")
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    run_folder(volume, "gone-00000002")
    step = volume / "docs/gone-00000002/load"
    (step / "link").symlink_to(precious)
    (step / "up").symlink_to("../../../../outside")
    (volume / "docs/linked-00000003").symlink_to(outside / "docs/far-00000001")
    (volume / "other").symlink_to(outside / "docs")
    age(volume / "docs/gone-00000002")
    done = prune_data(api, volume)
    assert done.returncode == OK, done.stderr
    assert left(volume) == ["linked-00000003"]
    assert precious.read_text() == "keep me"
    assert (outside / "docs/far-00000001/load/manifest.json").exists()
    for wrong in ("relative", "/a/../b", "s3://lake/x", "/data=relative"):
        done = cli("cache", "prune", "--data", "--volume", wrong, *api.args)
        assert done.returncode == USAGE, wrong
    assert cli("cache", "prune", "--data", *api.args).returncode == USAGE


def test_prune_data_refuses_when_it_may_not_know(api, volume):
    run_folder(volume, "gone-00000001")
    for plural in ("fondantruns", "fondantpipelines", "configmaps"):
        api.forbidden = {plural}
        done = prune_data(api, volume)
        assert done.returncode == USAGE and "may not list" in done.stderr
        assert left(volume) == ["gone-00000001"]
    api.forbidden = set()
    # a manifest that cannot be read could be the one that refers to it
    run_folder(volume, "other-00000002")
    (volume / "docs/other-00000002/load/manifest.json").unlink()
    (volume / "docs/other-00000002/load/manifest.json").symlink_to("/etc/hostname")
    done = prune_data(api, volume)
    assert done.returncode == USAGE and "proven" in done.stderr
    assert left(volume) == ["gone-00000001", "other-00000002"]


def test_cache_of_a_real_api_server(cp_cluster, volume):
    """The same against an API server: lists and patches are what it takes and gives."""
    def cache(*args):
        return cp_cluster.exec(PROGRAM, "cache", *args, check=False)

    now, namespace = int(time.time()), "cache-cli"
    cp_cluster.kubectl("apply", "-f", str(ROOT / "crds"))
    cp_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(ROOT / "crds"))
    cp_cluster.kubectl("create", "namespace", namespace)
    try:
        used, unused = "used-00000001", "unused-00000002"
        cp_cluster.apply({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "fondant-cache-1", "namespace": namespace,
                         "labels": {"fondant.ai/cache-index": "true"},
                         "annotations": {"fondant.ai/dataset": "docs",
                                         "fondant.ai/working-directory": "/data/artifacts"}},
            "data": {key: json.dumps({"at": at, "inputs": [], "time": when}) for key, at, when in (
                (KEYS[0], "old-00000003/load", now - 90000), (KEYS[1], used + "/load", now),
                (KEYS[2], "named-00000004/load", now))}})

        def keys():
            done = cache("ls", "-n", namespace, "-o", "json")
            assert done.returncode == OK, done.stderr
            return {entry["key"] for entry in json.loads(done.stdout)}

        assert keys() == set(KEYS)
        done = cache("prune", "-n", namespace, "--older-than", "24h")
        assert done.returncode == OK and "1 entries removed" in done.stdout, done.stderr
        assert keys() == {KEYS[1], KEYS[2]}
        assert cache("prune", "-n", namespace, "--key", KEYS[2][:12]).returncode == OK
        assert keys() == {KEYS[1]}

        run_folder(volume, used)
        run_folder(volume, unused)
        (volume / "docs/notes").mkdir()
        done = cache("prune", "--data", "--volume", f"/data/artifacts={volume}", "--dry-run")
        assert done.returncode == OK and left(volume) == ["notes", unused, used], done.stderr
        done = cache("prune", "--data", "--volume", f"/data/artifacts={volume}")
        assert done.returncode == OK, done.stderr
        assert left(volume) == ["notes", used]
        assert (volume / "docs" / used / "load/part.0.parquet").exists()
    finally:
        cp_cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


class Store:
    """A bucket: lists in pages of two, gets, deletes many."""

    def __init__(self):
        self.keys = {}
        self.broken = set()
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, code, body, kind="application/xml"):
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                url = urlsplit(self.path)
                query = parse_qs(url.query)
                key = unquote(url.path).removeprefix("/lake").removeprefix("/")
                if key:
                    if key in store.broken:
                        self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                    else:
                        self.answer(200, store.keys[key][0], "application/json")
                    return
                after = query.get("continuation-token", [""])[0]
                found = sorted(k for k in store.keys
                               if k.startswith(query.get("prefix", [""])[0]) and k > after)
                body = "".join(
                    f"<Contents><Key>{k}</Key><Size>{len(store.keys[k][0])}</Size><LastModified>"
                    f"{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(store.keys[k][1]))}"
                    "</LastModified></Contents>" for k in found[:2])
                more = (f"<NextContinuationToken>{found[1]}</NextContinuationToken>"
                        if len(found) > 2 else "")
                self.answer(200, ("<ListBucketResult><Name>lake</Name><KeyCount>2</KeyCount>"
                                  f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
                                  f"{more}{body}</ListBucketResult>").encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                for key in re.findall("<Key>(.*?)</Key>", body):
                    del store.keys[key]
                self.answer(200, b"<DeleteResult></DeleteResult>")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, name, uses=(), seconds=86400):
        when = time.time() - seconds
        manifest = {"metadata": {"run_id": name}, "fields": {u: {"location": u} for u in uses}}
        self.keys[f"fondant/docs/{name}/load/manifest.json"] = (json.dumps(manifest).encode(), when)
        self.keys[f"fondant/docs/{name}/load/part.0.parquet"] = (b"x" * 500, when)


@pytest.fixture
def store():
    store = Store()
    yield store
    store.server.shutdown()
    store.server.server_close()


def test_prune_data_in_a_bucket(api, store):
    env = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
           "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{store.server.server_address[1]}"}
    args = ["cache", "prune", "--data", "--volume", "s3://lake/fondant", *api.args]
    store.run("gone-00000001")
    store.run("gone-00000001-a2")
    store.run("kept-00000002", uses=["s3://lake/fondant/docs/base-00000003/load"])
    store.run("base-00000003")
    store.run("young-00000004", seconds=60)
    store.keys["fondant/docs/readme"] = (b"?", 0)
    store.keys["elsewhere/docs/gone-00000001/load/manifest.json"] = (b"{}", 0)
    api.index([(KEYS[0], "kept-00000002/load", 5)])
    before = dict(store.keys)

    done = cli(*args, "--dry-run", env=env)
    assert done.returncode == OK, done.stderr
    assert store.keys == before
    assert re.findall("would remove (.*)  ", done.stdout) == [
        "s3://lake/fondant/docs/gone-00000001-a2", "s3://lake/fondant/docs/gone-00000001"]

    store.broken = {"fondant/docs/kept-00000002/load/manifest.json"}
    done = cli(*args, env=env)
    assert done.returncode == USAGE and store.keys == before, done.stdout

    store.broken = set()
    done = cli(*args, env=env)
    assert done.returncode == OK, done.stderr
    assert sorted(before.keys() - store.keys.keys()) == [
        f"fondant/docs/{run}/load/{name}" for run in ("gone-00000001-a2", "gone-00000001")
        for name in ("manifest.json", "part.0.parquet")]
    assert "secret" not in done.stdout + done.stderr
