"""What the tests of SageMaker share: who is known to moto there, and what the vendor's client sees."""
import json
import re

from kit import ROOT

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/probe:1"
ROLE = "arn:aws:iam::123456789012:role/pipeline"

# What docs/backends.md says that a policy needs, and no more.
POLICY = json.loads(re.search(r"```json\n(.*?)```", (ROOT / "docs/backends.md").read_text(), re.S)[1])
ACTIONS = [action for statement in POLICY["Statement"] for action in (
    statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])]

# Makes the users whose keys are used, a role to take, and the bucket; prints the keys.
SETUP = f"ACTIONS = {ACTIONS}" + """
import boto3, json, sys
def client(service):
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="eu-west-1",
                        aws_access_key_id="setup", aws_secret_access_key="setup")
iam = client("iam")
def user(name, actions):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
document = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]})
iam.create_role(RoleName="runs", AssumeRolePolicyDocument=document)
iam.put_role_policy(RoleName="runs", PolicyName="p", PolicyDocument=json.dumps({
    "Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ACTIONS, "Resource": "*"}]}))
client("s3").create_bucket(Bucket="lake",
                           CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
print(json.dumps({"operator": user("operator", ACTIONS), "nobody": user("nobody", ["s3:List*"]),
                  "hop": user("hop", ["sts:*"]), "admin": user("admin", ["sagemaker:*", "logs:*"])}))
"""

LOOK = """
import boto3, json, sys
client = boto3.client("sagemaker", endpoint_url=sys.argv[1], region_name="eu-west-1")
found = []
for pipeline in client.list_pipelines()["PipelineSummaries"]:
    listed = client.list_pipeline_executions(PipelineName=pipeline["PipelineName"])
    for one in listed["PipelineExecutionSummaries"]:
        arn = one["PipelineExecutionArn"]
        found.append({"pipeline": pipeline["PipelineName"],
            "name": one["PipelineExecutionDisplayName"],
            "status": client.describe_pipeline_execution(
                PipelineExecutionArn=arn)["PipelineExecutionStatus"],
            "parameters": client.list_pipeline_parameters_for_execution(
                PipelineExecutionArn=arn)["PipelineParameters"],
            "definition": json.loads(client.describe_pipeline_definition_for_execution(
                PipelineExecutionArn=arn)["PipelineDefinition"])})
print(json.dumps(found))
"""

# PUT ENDPOINT JOB LINE...: what a job's machine has printed; the group and the stream are made.
PUT = """
import boto3, sys, time
logs = boto3.client("logs", endpoint_url=sys.argv[1], region_name="eu-west-1")
place = {"logGroupName": "/aws/sagemaker/ProcessingJobs"}
try:
    logs.create_log_group(**place)
except logs.exceptions.ResourceAlreadyExistsException:
    pass
place["logStreamName"] = sys.argv[2] + "/algo-1-1800000000"
try:
    logs.create_log_stream(**place)
except logs.exceptions.ResourceAlreadyExistsException:
    pass
logs.put_log_events(**place, logEvents=[
    {"timestamp": int(time.time() * 1000), "message": line} for line in sys.argv[3:]])
"""
