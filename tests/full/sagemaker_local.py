"""Executes a pipeline definition for SageMaker: python sagemaker_local.py DEFINITION [NAME=VALUE]..., in
the environment of `tests/deps sagemaker-local`. Each step is a processing job of the vendor SDK's local
mode, in the order of DependsOn, on the engine at $DOCKER_HOST; S3 is at $AWS_ENDPOINT_URL. Ends with 1 at
the first job that fails, and says which.

What local mode is given otherwise than SageMaker would be: an instance type of its own, no role and no
tags, images by tag (an engine knows no digest of what it did not pull), and each dollar doubled, because
it writes a compose file in which a single one stands for a variable."""
import json
import sys

import boto3
from sagemaker.local.local_session import LocalSession

CONFIG = {"SchemaVersion": "1.0",
          "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}  # it calls home else


def values_of(definition, given):
    """What {"Get": name} stands for."""
    values = {f"Parameters.{each['Name']}": given.get(each["Name"], each.get("DefaultValue"))
              for each in definition.get("Parameters", [])}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        sys.exit(f"no value for {', '.join(missing)}")
    return values | {"Execution.PipelineExecutionId": "local1"}


def resolved(node, values):
    if isinstance(node, list):
        return [resolved(each, values) for each in node]
    if not isinstance(node, dict):
        return node
    if list(node) == ["Get"]:
        return values[node["Get"]]
    if list(node) == ["Std:Join"]:
        join = node["Std:Join"]
        return join["On"].join(str(resolved(each, values)) for each in join["Values"])
    return {name: resolved(each, values) for name, each in node.items()}


def in_order(steps):
    done = set()
    while len(done) < len(steps):
        ready = [step for step in steps if step["Name"] not in done and
                 done.issuperset(step.get("DependsOn", []))]
        if not ready:
            sys.exit("DependsOn cannot be met")
        yield from ready
        done.update(step["Name"] for step in ready)


def for_compose(text):
    return text.replace("$", "$$")


def localized(arguments):
    """Arguments of CreateProcessingJob as local mode can take them."""
    app = arguments["AppSpecification"]
    app["ImageUri"] = app["ImageUri"].partition("@")[0]
    for words in ("ContainerEntrypoint", "ContainerArguments"):
        if words in app:
            app[words] = [for_compose(word) for word in app[words]]
    environment = {k: for_compose(v) for k, v in arguments.get("Environment", {}).items()}
    arguments["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "local"
    return {name: value for name, value in (arguments | {"Environment": environment}).items()
            if name not in ("RoleArn", "Tags")}


def main():
    with open(sys.argv[1]) as file:
        definition = json.load(file)
    values = values_of(definition, dict(each.split("=", 1) for each in sys.argv[2:]))
    client = LocalSession(boto_session=boto3.Session(), disable_local_code=True,
                          sagemaker_config=CONFIG).sagemaker_client
    for step in in_order(definition["Steps"]):
        try:
            client.create_processing_job(ProcessingJobName=step["Name"],
                                         **localized(resolved(step["Arguments"], values)))
        except RuntimeError as error:
            sys.exit(f"step {step['Name']}: {error}")


main()
