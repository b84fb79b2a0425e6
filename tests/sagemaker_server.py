"""Stands in for Amazon SageMaker Pipelines: python tests/sagemaker_server.py [options of moto_server],
in the environment of `tests/deps s3`. moto has the protocol, the signatures, pipelines, S3 and the
logs that a test puts there; here is what it lacks: requests are judged by the service models that
botocore carries, executions take time and have steps with jobs, tokens are remembered, what is not
there is ResourceNotFound, executions can be stopped.

A step runs for a second once those that it depends on have succeeded; it fails when its arguments have
the word `fail`, and never ends when they have `hang`. The first $THROTTLE calls of every operation
answer ThrottlingException. A start is counted in the execution's description.
"""
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import botocore.session
from botocore.validate import ParamValidator
from moto.core.responses import ActionResult
from moto.logs.responses import LogsResponse
from moto.sagemaker import models, responses
from moto.sagemaker.exceptions import SagemakerClientError
from moto.server import main

sys.path.insert(0, str(Path(__file__).parent / "integration"))
from sagemaker_model import limits  # noqa: E402

SECONDS = 1.0
SESSION = botocore.session.get_session()
CALLS = Counter()
Response = responses.SageMakerResponse


class Refused(SagemakerClientError):
    def __init__(self, code, message):
        self.code = code
        super().__init__(message)


# --- executions ------------------------------------------------------------------------------------

class Life:
    """How far an execution is: a function of the clock alone."""

    def __init__(self, execution):
        self.execution = execution
        self.definition = json.loads(execution.pipeline_definition_for_execution)
        self.began = time.time()
        self.stopped = None

    def steps(self):
        """Those that have begun: name -> (began, ends or None, fails), by a time of the clock."""
        now = self.stopped or time.time()
        begun = {}
        for step in self.definition["Steps"]:  # each after those it depends on
            words = json.dumps(step.get("Arguments", {}))
            before = [begun.get(name) for name in step.get("DependsOn", [])]
            if any(b is None or b[1] is None or b[2] or b[1] > now for b in before):
                continue
            start = max([b[1] for b in before], default=self.began)
            if start <= now:
                ends = None if '"hang"' in words else start + SECONDS
                begun[step["Name"]] = (start, ends, '"fail"' in words)
        return begun, now

    def status(self):
        begun, now = self.steps()
        if self.stopped:
            return "Stopped" if time.time() > self.stopped + SECONDS else "Stopping"
        if any(ends is None or ends > now for _, ends, _ in begun.values()):
            return "Executing"
        return "Failed" if any(fails for _, _, fails in begun.values()) else "Succeeded"

    def rows(self):
        begun, now = self.steps()
        service, execution = self.execution.arn.split(":pipeline/")
        job = f"{service}:processing-job/pipelines-{execution.split('/')[-1]}-"
        for name, (start, ends, fails) in begun.items():
            over = ends is not None and ends <= now
            row = {"StepName": name, "StartTime": start, "AttemptCount": 1,
                   "Metadata": {"ProcessingJob": {"Arn": job + name.lower()}},
                   "StepStatus": ("Failed" if fails else "Succeeded") if over
                   else self.status()}
            if over:
                row["EndTime"] = ends
            if over and fails:
                row["FailureReason"] = "AlgorithmError: See job logs for more information, exit code: 1"
            yield row


LIVES = {}  # ARN -> Life


def life_of(backend, arn):
    for pipeline in backend.pipelines.values():
        if arn in pipeline.pipeline_executions:
            return LIVES.setdefault(arn, Life(pipeline.pipeline_executions[arn]))
    raise Refused("ResourceNotFound", "Pipeline execution does not exist.")


def execution_status(execution):
    life = LIVES.get(getattr(execution, "arn", None))
    return life.status() if life else "Executing"


models.FakePipelineExecution.pipeline_execution_status = property(
    execution_status, lambda execution, value: None)


# --- operations ------------------------------------------------------------------------------------

def judge(model, operation, request):
    """By botocore's validator, and by the maxima and patterns that it leaves out."""
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    wrong = [report.generate_report()] if report.has_errors() else list(
        limits(shape, request, operation))
    if wrong:
        raise Refused("ValidationException", f"{operation}: {wrong[0]}")


def known(backend, name):
    if name not in backend.pipelines:
        raise Refused("ResourceNotFound", f"Pipeline '{name}' does not exist.")
    return backend.pipelines[name]


def start(self, request, proceed):
    pipeline = known(self.sagemaker_backend, request["PipelineName"])
    for arn, execution in pipeline.pipeline_executions.items():
        if execution.client_request_token == request["ClientRequestToken"]:
            return ActionResult({"PipelineExecutionArn": arn})
    answer = proceed(self)
    life_of(self.sagemaker_backend, list(pipeline.pipeline_executions)[-1])
    return answer


def describe_execution(self, request, proceed):
    life = life_of(self.sagemaker_backend, request["PipelineExecutionArn"])
    answer = proceed(self)
    answer._result.pop("FailureReason", None)  # moto: always ""
    if life.status() == "Failed":
        answer._result["FailureReason"] = "Step failure: One or multiple steps failed."
    return answer


def list_steps(self, request, proceed):
    rows = list(life_of(self.sagemaker_backend, request["PipelineExecutionArn"]).rows())
    begin, count = int(request.get("NextToken", 0)), request.get("MaxResults", 20)
    answer = {"PipelineExecutionSteps": rows[begin:begin + count]}
    if begin + count < len(rows):
        answer["NextToken"] = str(begin + count)
    return ActionResult(answer)


def stop(self, request, proceed):
    life = life_of(self.sagemaker_backend, request["PipelineExecutionArn"])
    if life.status() == "Executing":
        life.stopped = time.time()
    elif not life.stopped:
        raise Refused("ValidationException", "Only pipelines in Executing status can be stopped.")
    return ActionResult({"PipelineExecutionArn": request["PipelineExecutionArn"]})


def describe_job(self, request, proceed):
    for life in LIVES.values():
        for row in life.rows():
            arn = row["Metadata"]["ProcessingJob"]["Arn"]
            if arn.endswith(f"/{request['ProcessingJobName']}"):
                status = {"Executing": "InProgress", "Succeeded": "Completed"}.get(
                    row["StepStatus"], row["StepStatus"])
                return ActionResult({"ProcessingJobArn": arn, "ProcessingJobStatus": status})
    raise Refused("ValidationException", "Could not find requested job with name: "
                  + request["ProcessingJobName"])


def of_pipeline(self, request, proceed):
    known(self.sagemaker_backend, request["PipelineName"])
    return proceed(self)


def as_it_is(self, request, proceed):
    return proceed(self)


OPERATIONS = {"CreatePipeline": as_it_is, "UpdatePipeline": of_pipeline,
              "DescribePipeline": of_pipeline, "ListPipelines": as_it_is,
              "StartPipelineExecution": start, "DescribePipelineExecution": describe_execution,
              "ListPipelineExecutions": of_pipeline, "ListPipelineExecutionSteps": list_steps,
              "StopPipelineExecution": stop, "DescribePipelineDefinitionForExecution": as_it_is,
              "DescribeProcessingJob": describe_job}


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name)[1:]


def install(model, response, operation, act):
    proceed = getattr(response, snake(operation), None)

    def respond(self):
        request = json.loads(self.body)
        CALLS[operation] += 1
        if CALLS[operation] <= int(os.environ.get("THROTTLE", "0")):
            raise Refused("ThrottlingException", "Rate exceeded")
        judge(model, operation, request)
        return act(self, request, proceed)
    setattr(response, snake(operation), respond)


for name, action in OPERATIONS.items():
    install(SESSION.get_service_model("sagemaker"), Response, name, action)
for name in ("DescribeLogStreams", "GetLogEvents"):
    install(SESSION.get_service_model("logs"), LogsResponse, name, as_it_is)

if __name__ == "__main__":
    main(sys.argv[1:])
