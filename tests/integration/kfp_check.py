"""Reads documents as the vendors' own libraries do: check_ir FILE, check_vertex FILE. Runs in the
environment of `tests/deps kfp`. What is wrong goes to stderr, exit code 1."""
import json
import sys

import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2


def check_references(pipeline):
    tasks = pipeline["root"]["dag"]["tasks"]
    executors = pipeline["deploymentSpec"]["executors"]
    for name, task in tasks.items():
        component = pipeline["components"][task["componentRef"]["name"]]
        executors[component["executorLabel"]]
        assert task["taskInfo"]["name"] == name
        assert task["cachingOptions"] == {}
        for other in task.get("dependentTasks", []):
            assert other in tasks and other != name, f"{name}: {other}"
        assert task.get("dependentTasks", []) == sorted(task.get("dependentTasks", []))


def check_pipeline(pipeline):
    ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    ParseDict(pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig(),
              ignore_unknown_fields=False)
    check_references(pipeline)


def check_platform(platform, executors):
    from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
    ParseDict(platform, pipeline_spec_pb2.PlatformSpec(), ignore_unknown_fields=False)
    assert list(platform["platforms"]) == ["kubernetes"]
    configs = platform["platforms"]["kubernetes"].get("deploymentSpec", {}).get("executors", {})
    for name, config in configs.items():
        assert name in executors, name
        ParseDict(config, kubernetes.KubernetesExecutorConfig(), ignore_unknown_fields=False)


def check_ir(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    pipeline, *rest = yaml.safe_load_all(text)
    check_pipeline(pipeline)
    for platform in rest:
        check_platform(platform, pipeline["deploymentSpec"]["executors"])
    loaded = components.load_component_from_text(text)
    assert loaded.name == pipeline["pipelineInfo"]["name"]


def check_vertex(path):
    from google.cloud.aiplatform_v1.types import AcceleratorType, PipelineJob
    with open(path, encoding="utf-8") as file:
        job = yaml.safe_load(file)
    ParseDict(job, PipelineJob.pb()(), ignore_unknown_fields=False)
    check_pipeline(job["pipelineSpec"])
    components.load_component_from_text(json.dumps(job["pipelineSpec"]))
    known = {each.name for each in AcceleratorType}
    for executor in job["pipelineSpec"]["deploymentSpec"]["executors"].values():
        accelerator = executor["container"].get("resources", {}).get("accelerator")
        assert accelerator is None or accelerator["type"] in known


def accelerators():
    from google.cloud.aiplatform_v1.types import AcceleratorType
    print("\n".join(each.name for each in AcceleratorType if each))


if __name__ == "__main__":
    try:
        {"check_ir": check_ir, "check_vertex": check_vertex,
         "accelerators": accelerators}[sys.argv[1]](*sys.argv[2:])
    except (ParseError, AssertionError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
