"""Holds pipeline definitions against the service model that botocore carries, and against moto.

  sagemaker_model.py check               definition on stdin; prints what is wrong as a JSON array
  sagemaker_model.py register ENDPOINT   native document on stdin: uploads it, creates the pipeline
                                         and every step's job; prints what the service says of them

Runs in the virtual environment of `tests/deps s3`.
"""
import json
import re
import sys

import boto3
import botocore.session
from botocore.validate import ParamValidator

SIZED = {"string": len, "list": len, "map": len, "integer": int, "long": int, "float": float,
         "double": float}
ROLE = "arn:aws:iam::123456789012:role/fondant"


def resolve(value, parameters):
    """The value with {"Get": "Parameters.X"} replaced; a name that is not there stays as it is."""
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            return parameters.get(value["Get"].removeprefix("Parameters."), value)
        return {k: resolve(v, parameters) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, parameters) for v in value]
    return value


def limits(shape, value, path):
    """What botocore's own validator leaves out: maxima, patterns and enumerations."""
    if shape.type_name in SIZED:
        size = SIZED[shape.type_name](value)
        if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
            yield f"{path}: {size} is out of range"
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}: no member {name}"
            else:
                yield from limits(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for i, item in enumerate(value):
            yield from limits(shape.member, item, f"{path}[{i}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from limits(shape.key, key, f"{path} key {key}")
            yield from limits(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value} is not one of the enumeration"
        pattern = shape.metadata.get("pattern")
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value):
            yield f"{path}: {value} does not match {pattern}"


def check(definition):
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateProcessingJob").input_shape
    wrong, seen = [], set()
    if set(definition) - {"Version", "Metadata", "Parameters", "Steps"}:
        wrong.append("unknown members")
    if definition["Version"] != "2020-12-01":
        wrong.append("version")
    if len(json.dumps(definition)) > 1 << 20:
        wrong.append("size")
    parameters = {p["Name"]: ROLE for p in definition["Parameters"]}
    for step in definition["Steps"]:
        path = step["Name"]
        if set(step) - {"Name", "Type", "Arguments", "DependsOn", "RetryPolicies"}:
            wrong.append(f"{path}: unknown members")
        if not re.fullmatch("[A-Za-z0-9](-*[A-Za-z0-9]){0,63}", path) or path in seen:
            wrong.append(f"{path}: name")
        if not set(step.get("DependsOn", [])) <= seen:
            wrong.append(f"{path}: depends on what does not stand before it")
        seen.add(path)
        for policy in step.get("RetryPolicies", []):
            if (not 1 <= policy["MaxAttempts"] <= 20 or policy["BackoffRate"] < 1
                    or not 1 <= policy["IntervalSeconds"] <= 43200):
                wrong.append(f"{path}: retry")
        request = {"ProcessingJobName": "job", **resolve(step["Arguments"], parameters)}
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            wrong.append(f"{path}: {report.generate_report()}")
        else:
            wrong += limits(shape, request, path)
    return wrong


def client(service, endpoint):
    return boto3.client(service, endpoint_url=endpoint, region_name="eu-west-1",
                        aws_access_key_id="test", aws_secret_access_key="test")


def register(native, endpoint):
    s3, sagemaker = client("s3", endpoint), client("sagemaker", endpoint)
    bucket = native["uploads"][0]["uri"].split("/")[2]
    s3.create_bucket(Bucket=bucket,
                     CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for upload in native["uploads"]:
        s3.put_object(Bucket=bucket, Key=upload["uri"].split("/", 3)[3],
                      Body=upload["text"].encode())
    name = native["pipelineName"]
    sagemaker.create_pipeline(PipelineName=name, RoleArn=ROLE, ClientRequestToken="0" * 64,
                              PipelineDefinition=json.dumps(native["definition"]))
    execution = sagemaker.start_pipeline_execution(
        PipelineName=name, ClientRequestToken="1" * 64,
        PipelineParameters=[{"Name": "RoleArn", "Value": ROLE}])
    jobs, files = {}, {}
    for step in native["definition"]["Steps"]:
        job = sagemaker.create_processing_job(
            ProcessingJobName=step["Name"], **resolve(step["Arguments"], {"RoleArn": ROLE}))
        assert job["ProcessingJobArn"]
        jobs[step["Name"]] = sagemaker.describe_processing_job(
            ProcessingJobName=step["Name"])["AppSpecification"]
        for code in step["Arguments"].get("ProcessingInputs", []):
            prefix = code["S3Input"]["S3Uri"].split("/", 3)[3]
            files[step["Name"]] = {
                o["Key"].removeprefix(prefix):
                    s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read().decode()
                for o in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]}
    return {"definition": json.loads(
                sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]),
            "execution": execution["PipelineExecutionArn"], "jobs": jobs, "files": files}


def main():
    document = json.load(sys.stdin)
    if sys.argv[1] == "check":
        print(json.dumps(check(document)))
    else:
        print(json.dumps(register(document, sys.argv[2])))


if __name__ == "__main__":
    main()
