"""peer.py STEPS [REPEATS]: times the framework's own compiler, in an environment that has it.

The same chain as compile.c makes: components of three arguments and one field each. Prints one line
of JSON: seconds of defining the dataset, of validate() and of the best DockerCompiler.compile().
"""
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

ARGUMENTS = {"text": "it's a value", "count": 7, "options": {"a": [1, 2, 3], "b": {"c": "d"}}}


def component_file(number):
    spec = {"name": f"Step {number}", "description": "One of a chain.",
            "image": f"registry.example/bench/step:{number}.0",
            "produces": {f"field_{number}": {"type": "string"}},
            "args": {"text": {"description": "a string", "type": "str"},
                     "count": {"description": "a number", "type": "int", "default": 3},
                     "options": {"description": "a mapping", "type": "dict", "default": {}}}}
    if number:
        spec["consumes"] = {f"field_{number - 1}": {"type": "string"}}
    return json.dumps(spec)  # which is YAML, too


def define(Dataset, folder, steps):
    dataset = None
    for number in range(steps):
        place = folder / f"c{number}"
        arguments = dict(ARGUMENTS)  # the framework writes into it
        if dataset is None:
            dataset = Dataset.create(place, arguments=arguments, dataset_name="bench")
        else:
            dataset = dataset.apply(place, arguments=arguments)
    return dataset


def main():
    steps = int(sys.argv[1])
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    from fondant.dataset import Dataset
    from fondant.dataset.compiler import DockerCompiler

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for number in range(steps):
            (folder / f"c{number}").mkdir()
            (folder / f"c{number}/fondant_component.yaml").write_text(component_file(number))
        os.chdir(folder)
        marks = [time.perf_counter()]
        dataset = define(Dataset, folder, steps)
        marks.append(time.perf_counter())
        dataset.validate()
        marks.append(time.perf_counter())
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            DockerCompiler().compile(dataset, output_path="out.yaml",
                                     working_directory="s3://bucket/work")
            times.append(time.perf_counter() - begin)
        print(json.dumps({"define_s": marks[1] - marks[0], "validate_s": marks[2] - marks[1],
                          "compile_s": min(times), "bytes": Path("out.yaml").stat().st_size}))


if __name__ == "__main__":
    main()
