"""Records what kubectl makes of the corpus, in kubernetes.json beside this file.

Usage: record_kubernetes.py [kubectl]. No cluster is needed: `kubectl label --local`
reads an object and prints it as JSON, without a schema.
"""

import json
import pathlib
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).parent
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


def scalars():
    for line in (HERE / "scalars.txt").read_text(encoding="utf-8").splitlines():
        yield "scalar " + line, HEAD + "value: " + line + "\n"


def documents():
    for case in yaml.safe_load((HERE / "documents.yaml").read_text(encoding="utf-8")):
        text = "".join("  " + line for line in case["text"].splitlines(keepends=True))
        yield case["name"], HEAD + "value:\n" + text


def ask(kubectl, text):
    done = subprocess.run(
        [kubectl, "label", "--local", "-f", "-", "a=b", "-o", "json"],
        input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        return {"error": done.stderr.decode().strip().splitlines()[-1][:200]}
    got = json.loads(done.stdout)
    return {"value": got["value"]} if "value" in got else {"missing": True}


def main():
    kubectl = sys.argv[1] if len(sys.argv) > 1 else "kubectl"
    version = json.loads(subprocess.run(
        [kubectl, "version", "--client", "-o", "json"],
        capture_output=True, check=True).stdout)["clientVersion"]["gitVersion"]
    cases = [{"name": name, "text": text, **ask(kubectl, text)}
             for name, text in [*scalars(), *documents()]]
    (HERE / "kubernetes.json").write_text(
        json.dumps({"kubectl": version, "cases": cases}, indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8")


if __name__ == "__main__":
    main()
