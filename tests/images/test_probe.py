"""The probe against what the framework really left, and against every way to call it wrongly."""
import json
import pathlib
import signal
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECORDED = ROOT / "tests" / "data" / "manifests"
RUN = "sample-20240101000000"


@pytest.fixture(scope="session", params=["as shipped", "sanitized"])
def program(request, tmp_path_factory):
    """The static program of the image, and the same sources under ASan and UBSan."""
    if request.param == "as shipped":
        subprocess.run([str(HERE / "build"), "--probe"], check=True, stdout=subprocess.DEVNULL)
        return ROOT / ".cache" / "images" / "probe"
    target = tmp_path_factory.mktemp("sanitized") / "probe"
    sources = sorted(map(str, (HERE / "probe").glob("*.c")))
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-g", "-O1",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                    "-o", str(target), *sources, "-ljansson"], check=True)
    return target


@pytest.fixture
def probe(program):
    def call(*words, **options):
        return subprocess.run([program, "execute", "main", *map(str, words)], text=True,
                              capture_output=True, timeout=30, **options)
    return call


class Step:
    """A step's command line, to be bent."""

    def __init__(self, work, name="second", run=RUN, before=None, **arguments):
        self.folder = work / "sample" / run / name
        manifest = self.folder / "manifest.json"
        self.metadata = {"dataset_name": "sample", "run_id": run, "component_id": name,
                         "cache_key": "k" * 64, "manifest_location": str(manifest)}
        self.specification = {"name": name, "image": "x/y:1", "description": "d",
                              "produces": {"a": {"type": "string"}}}
        self.mapping = {"consumes": {}, "produces": {}}
        self.flags = {"output_manifest_path": manifest, "working_directory": work, "cache": "False",
                      **arguments}
        if before:
            self.specification["consumes"] = {"a": {"type": "string"}}
            self.flags["input_manifest_path"] = before.flags["output_manifest_path"]

    def words(self):
        spec = {"specification": self.specification, **self.mapping}
        flags = {"metadata": json.dumps(self.metadata), **self.flags,
                 "operation_spec": json.dumps(spec)}
        return [w for name, value in flags.items() for w in (f"--{name}", str(value))]

    def manifest(self):
        return json.loads((self.folder / "manifest.json").read_text())


@pytest.mark.parametrize("pipeline", ["docs", "hub"])
def test_manifests_are_the_frameworks(probe, tmp_path, pipeline):
    for case in json.loads((RECORDED / f"{pipeline}.json").read_text()):
        here = [word.replace("/artifacts", str(tmp_path)) for word in case["argv"]]
        done = probe(*here)
        assert done.returncode == 0, done.stderr
        metadata = json.loads(here[here.index("--metadata") + 1])
        place = pathlib.Path(here[here.index("--output_manifest_path") + 1])
        reference = tmp_path / metadata["dataset_name"] / "cache" / (metadata["cache_key"] + ".txt")
        if case["manifest"] is None:
            assert not place.parent.exists()
            assert reference.read_text() == ""
        else:
            assert place.read_text() == case["manifest"].replace("/artifacts", str(tmp_path))
            assert reference.read_text() == str(place)
            assert sorted(f.name for f in place.parent.iterdir()) == ["manifest.json",
                                                                      "part.0.parquet"]


def test_text_is_escaped_as_python_does(probe, tmp_path):
    first = Step(tmp_path, "first")
    assert probe(*first.words()).returncode == 0
    odd = "é \U0001f600 \x7f \x01 \b\f\n\r\t \"\\ / \u2028"
    manifest = first.manifest()
    manifest["metadata"]["note"] = {"odd": [odd, None, True, False, -7]}
    file = first.folder / "manifest.json"
    file.write_text(json.dumps(manifest))
    second = Step(tmp_path, before=first)
    assert probe(*second.words()).returncode == 0
    text = (second.folder / "manifest.json").read_text()
    assert json.loads(text)["metadata"]["note"]["odd"][0] == odd
    assert text == json.dumps(json.loads(text))


def test_types_come_back_as_the_framework_writes_them(probe, tmp_path):
    step = Step(tmp_path, "first")
    step.specification["produces"] = {
        "t": {"type": "timestamp"}, "u": {"type": "utf8"},
        "l": {"type": "array", "items": "timestamp"},
        "o": {"type": "object", "properties": {"x": {"type": "int8"}}}}
    assert probe(*step.words()).returncode == 0
    fields = step.manifest()["fields"]
    place = str(step.folder)
    date = {"type": "string", "format": "date-time"}
    assert fields == {
        "t": {"location": place, **date}, "u": {"location": place, "type": "string"},
        "l": {"location": place, "type": "array", "items": date},
        "o": {"location": place, "type": "object", "properties": {"x": {"type": "int8"}}}}


def test_the_folder_follows_the_input_manifest(probe, tmp_path):
    """Whatever --metadata says of the dataset: the executor takes the name that it reads."""
    first = Step(tmp_path, "first")
    assert probe(*first.words()).returncode == 0
    second = Step(tmp_path, before=first)
    second.metadata["dataset_name"] = "other"
    assert probe(*second.words()).returncode == 0
    assert second.manifest()["index"]["location"] == f"{tmp_path}/sample/{RUN}/second"


def drop(key):
    return lambda step: step.flags.pop(key)


def give(**flags):
    return lambda step: step.flags.update(flags)


def tell(**metadata):
    return lambda step: step.metadata.update(metadata)


def specify(**parts):
    return lambda step: step.specification.update(parts)


@pytest.mark.parametrize("bend, message", [
    (drop("cache"), "--cache"),
    (drop("working_directory"), "--working_directory"),
    (drop("output_manifest_path"), "--output_manifest_path"),
    (give(cache="false"), "invalid bool value"),
    (give(cache=""), "invalid bool value"),
    (give(working_directory="None"), "--working_directory"),
    (give(working_directory="s3://b/x"), "folders only"),
    (give(input_partition_rows="0"), "1 or more"),
    (give(input_partition_rows="many"), "invalid int value"),
    (give(colour="red"), "unrecognized arguments: --colour"),
    (give(sleep="soon"), "invalid float value"),
    (give(sleep="nan"), "from 0"),
    (give(fail="256"), "from 0 to 255"),
    (give(eat_mb="-1"), "from 0 to"),
    (tell(more="x"), "more than its five keys"),
    (tell(run_id=None), "no run_id"),
    (tell(component_id="else"), "but the data goes to second"),
    (lambda step: step.metadata.pop("cache_key"), "no cache_key"),
    (specify(args={"n": {"type": "int"}}), "required: --n"),
    (lambda step: (specify(args={"n": {"type": "int"}})(step), give(n="x")(step)),
     "invalid int value"),
    (lambda step: (specify(args={"n": {"type": "dict"}})(step), give(n="[]")(step)),
     "invalid dict value"),
    (specify(consumes={"a": {"type": "string"}}), "required: --input_manifest_path"),
    (specify(produces={"a": {"type": "text"}}), "no such type"),
    (specify(version=1), "unexpected 'version'"),
    (lambda step: step.specification.pop("image"), "no image"),
    (lambda step: step.mapping.update(extra={}), "nothing else"),
    (lambda step: step.mapping.update(produces={"b": "c"}), "no such field"),
    (lambda step: step.mapping.update(produces={"a": {"type": "int8"}}), "not the file's type"),
])
def test_a_wrong_command_line_is_refused(probe, tmp_path, bend, message):
    step = Step(tmp_path)
    bend(step)
    done = probe(*step.words())
    assert (done.returncode, list(tmp_path.iterdir())) == (2, []), done.stderr
    assert message in done.stderr


@pytest.mark.parametrize("extra, message", [
    (["word"], "unrecognized arguments: word"),
    (["-x", "1"], "unrecognized arguments: -x"),
    (["--print"], "expected one argument"),
    (["--print", "-x"], "expected one argument"),
    (["--print", "--flag"], "expected one argument"),
    (["--print", "-"], None),
    (["--print", "-5"], None),
    (["--print", "-.5"], None),
    (["--print", "-a b"], None),
    (["--print", ""], None),
    (["--print=-x"], None),
    (["--print=--y=z"], None),
    (["--print=a", "--print", "b"], "given twice"),
    (["--=a"], "unrecognized"),
    (["--print", b"\xff"], "not UTF-8"),
])
def test_tokens(program, tmp_path, extra, message):
    words = [program, "execute", "main", *Step(tmp_path).words(), *extra]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == (2 if message else 0), done.stderr
    assert (message or "") in done.stderr


def test_one_token_alone_is_not_enough(probe, tmp_path):
    words = Step(tmp_path).words()
    joined = [f"{name}={value}" for name, value in zip(words[::2], words[1::2])]
    done = probe(*joined)
    assert (done.returncode, "working-directory" in done.stderr) == (2, True)


@pytest.mark.parametrize("words", [[], ["execute"], ["execute", "other"], ["run", "main"]])
def test_the_entrypoint_is_part_of_the_contract(program, words):
    assert subprocess.run([program, *words], capture_output=True, timeout=30).returncode == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1, "a": 2}'])
def test_json_flags_must_be_objects(probe, tmp_path, text):
    for name in ("--metadata", "--operation_spec"):
        words = Step(tmp_path).words()
        words[words.index(name) + 1] = text
        assert probe(*words).returncode == 2


def test_an_existing_folder_is_an_error(probe, tmp_path):
    step = Step(tmp_path)
    step.folder.mkdir(parents=True)
    done = probe(*step.words())
    assert done.returncode == 1
    assert f"FileExistsError: [Errno 17] File exists: '{step.folder}'" in done.stderr


@pytest.mark.parametrize("spoil, message", [
    (lambda m: m["fields"].pop("a"), "Field a is not available"),
    (lambda m: m["fields"]["a"].update(type="int32"), "not of the type"),
    (lambda m: m["fields"]["a"].update(location="/nowhere"), "FileNotFoundError"),
    (lambda m: m["index"].update(location="/nowhere"), "FileNotFoundError"),
    (lambda m: m.pop("index"), "KeyError"),
    (lambda m: m.pop("metadata"), "InvalidManifest"),
])
def test_the_input_must_hold_what_is_consumed(probe, tmp_path, spoil, message):
    first = Step(tmp_path, "first")
    assert probe(*first.words()).returncode == 0
    manifest = first.manifest()
    spoil(manifest)
    (first.folder / "manifest.json").write_text(json.dumps(manifest))
    second = Step(tmp_path, before=first)
    done = probe(*second.words())
    assert (done.returncode, second.folder.exists()) == (1, False)
    assert message in done.stderr


def test_the_input_must_be_there(probe, tmp_path):
    step = Step(tmp_path, before=Step(tmp_path, "first"))
    assert probe(*step.words()).returncode == 1


def test_failing_leaves_a_half_written_folder(probe, tmp_path):
    step = Step(tmp_path, fail=7, print="one", stderr="two")
    done = probe(*step.words())
    assert (done.returncode, done.stdout, done.stderr) == (7, "one\n", "two\n")
    assert [f.name for f in step.folder.iterdir()] == ["part.0.parquet"]


@pytest.mark.parametrize("suffix, code", [
    ("", 1), ("-a2", 1), ("-a3", 0), ("-a10", 0), ("-a9f31c20", 1), ("-a9012345", 1)])
def test_failing_in_the_first_attempts(probe, tmp_path, suffix, code):
    step = Step(tmp_path, run=RUN + suffix, fail_attempts=2)
    assert probe(*step.words()).returncode == code


def test_a_sink_leaves_nothing(probe, tmp_path):
    step = Step(tmp_path, write="yes")
    assert probe(*step.words()).returncode == 0
    assert not step.folder.exists()


def test_arguments_are_printed_as_they_came(probe, tmp_path):
    words = Step(tmp_path, print_args="yes", print="a\n$(B) é").words()
    lines = probe(*words).stdout.splitlines()
    assert [json.loads(line) for line in lines[:len(words)]] == words


def test_memory_is_taken(probe, tmp_path):
    assert probe(*Step(tmp_path, eat_mb=64, rows=12).words()).returncode == 0
    part = tmp_path / "sample" / RUN / "second" / "part.0.parquet"
    assert part.read_text() == "probe rows=12\n"


def test_termination_is_prompt(program, tmp_path):
    words = Step(tmp_path, sleep=600, print="sleeping").words()
    with subprocess.Popen([program, "execute", "main", *words], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"sleeping\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
