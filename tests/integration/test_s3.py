"""Our S3 client against moto's server with its signature check on."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

from kit import free_port, moto_server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FONDANT_BUILD", ROOT / "build"))
TOOL = str(BUILD / "tests/unit/tool_s3")
PYTHON = ROOT / ".cache/s3-venv/bin/python"
BUCKET = "lake"

# Makes the user whose keys are used, a bucket here and one in another region; prints the keys.
SETUP = """
import boto3, json, sys
endpoint = sys.argv[1]
def client(service, region="us-east-1"):
    return boto3.client(service, endpoint_url=endpoint, region_name=region,
                        aws_access_key_id="setup", aws_secret_access_key="setup")
iam, s3 = client("iam"), client("s3")
def user(name, actions):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]
keys = {"full": user("full", ["s3:*"]), "reader": user("reader", ["s3:GetObject"])}
s3.create_bucket(Bucket="lake")
s3.create_bucket(Bucket="with.dot")
client("s3", "eu-west-1").create_bucket(
    Bucket="abroad", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
print(json.dumps(keys))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A function (user, *args, **environment) -> what tool_s3 prints."""
    subprocess.run([str(ROOT / "tests/deps"), "s3"], check=True, stdout=sys.stderr)
    log = tmp_path_factory.mktemp("moto") / "log"
    with moto_server(log, INITIAL_NO_AUTH_ACTION_COUNT="9999") as endpoint:
        made = subprocess.run([str(PYTHON), "-c", SETUP, endpoint], capture_output=True,
                              text=True, check=False)
        assert made.returncode == 0, made.stderr
        keys = json.loads(made.stdout)
        urllib.request.urlopen(urllib.request.Request(
            endpoint + "/moto-api/reset-auth", data=b"0",
            headers={"Content-Type": "text/plain"})).read()

        def call(user, *args, **extra):
            key, secret = keys.get(user, [user, "nothing"])
            env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": endpoint, **extra}
            if user:
                env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, **extra}
            done = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=60,
                                  env=env, check=False)
            assert done.returncode == 0, done.stderr
            assert secret not in done.stdout
            return json.loads(done.stdout)

        yield call


KEYS = ["plain", "a/b/c.json", "with space", "a+b", "100%", "%41", "é/日本", "q?x=1&y=2#z",
        "semi;colon,comma", "star*(paren)'quote'!", "tilde~dash-under_dot.", "eq=at@colon:",
        "dollar$amp&", "<xml>&amp;\"", "back\\slash", "{brace}|pipe^`", "trailing ", " leading"]


@pytest.mark.parametrize("key", KEYS)
def test_keys(store, key):
    body = f"body of {key}"
    put = store("full", "put", BUCKET, "keys/" + key, body)
    assert put["outcome"] == "ok" and put["etag"]
    head = store("full", "head", BUCKET, "keys/" + key)
    assert (head["outcome"], head["size"]) == ("ok", len(body.encode()))
    assert store("full", "get", BUCKET, "keys/" + key)["body"] == body
    listed = store("full", "list", BUCKET, "keys/" + key, "", "0")
    assert ["keys/" + key, len(body.encode()), True] in listed["objects"]
    assert store("full", "delete", BUCKET, "keys/" + key)["outcome"] == "ok"
    assert store("full", "head", BUCKET, "keys/" + key)["outcome"] == "not found"


def test_empty_object(store):
    assert store("full", "put", BUCKET, "empty", "")["outcome"] == "ok"
    assert store("full", "head", BUCKET, "empty")["size"] == 0


def test_bucket_with_a_dot(store):
    assert store("full", "put", "with.dot", "a b", "x")["outcome"] == "ok"
    assert store("full", "get", "with.dot", "a b")["body"] == "x"


def test_pages(store):
    names = [f"pages/{i:03} +é" for i in range(25)]
    for name in names:
        assert store("full", "put", BUCKET, name, "x")["outcome"] == "ok"
    listed = store("full", "list", BUCKET, "pages/", "", "10")
    assert [entry[0] for entry in listed["objects"]] == names
    assert listed["pages"] == 3
    deleted = store("full", "delete-many", BUCKET, *names[:20])
    assert deleted["outcome"] == "ok", deleted
    listed = store("full", "list", BUCKET, "pages/", "", "1000")
    assert [entry[0] for entry in listed["objects"]] == names[20:]


def test_folders(store):
    for name in ["tree/a/1", "tree/a/2", "tree/b c/1", "tree/top"]:
        store("full", "put", BUCKET, name, "x")
    listed = store("full", "list", BUCKET, "tree/", "/", "0")
    assert listed["prefixes"] == ["tree/a/", "tree/b c/"]
    assert [entry[0] for entry in listed["objects"]] == ["tree/top"]


def test_deleting_odd_keys(store):
    names = ["odd/<a>&b", "odd/é \"'", "odd/100%+"]
    for name in names:
        store("full", "put", BUCKET, name, "x")
    assert store("full", "delete-many", BUCKET, *names)["outcome"] == "ok"
    assert store("full", "list", BUCKET, "odd/", "", "0")["objects"] == []


def test_missing(store):
    gone = store("full", "get", BUCKET, "no such")
    assert (gone["outcome"], gone["reason"]) == ("not found", "NoSuchKey")
    assert f"s3://{BUCKET}/no such" in gone["message"]
    gone = store("full", "list", "no-such-bucket", "", "", "0")
    assert (gone["outcome"], gone["reason"]) == ("not found", "NoSuchBucket")
    assert store("full", "delete", BUCKET, "no such")["outcome"] == "ok"


def test_wrong_secret(store):
    refused = store("full", "get", BUCKET, "x", AWS_SECRET_ACCESS_KEY="wrong")
    assert (refused["outcome"], refused["reason"]) == ("forbidden", "SignatureRefused")
    assert "AWS_SECRET_ACCESS_KEY" in refused["message"]


def test_unknown_key(store):
    refused = store("AKIAUNKNOWN", "put", BUCKET, "x", "y")
    assert (refused["outcome"], refused["reason"]) == ("forbidden", "SignatureRefused")


def test_denied(store):
    refused = store("reader", "put", BUCKET, "x", "y")
    assert (refused["outcome"], refused["reason"]) == ("forbidden", "AccessDenied")
    assert store("reader", "get", BUCKET, "no such")["outcome"] in ("not found", "forbidden")


def test_store_down():
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}",
           "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = subprocess.run([TOOL, "head", BUCKET, "x"], capture_output=True, text=True, timeout=60,
                          env=env, check=True)
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["reason"]) == ("failed", "S3Unavailable")


@pytest.mark.parametrize("env, says", [
    ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY is not"),
    ({"AWS_SECRET_ACCESS_KEY": "b"}, "AWS_ACCESS_KEY_ID is not"),
    ({"AWS_REGION": "Eu West"}, "region"),
    ({"AWS_ENDPOINT_URL": "http://h/path"}, "endpoint"),
    ({"AWS_ENDPOINT_URL": "ftp://h"}, "endpoint"),
])
def test_bad_configuration(env, says):
    done = subprocess.run([TOOL, "head", BUCKET, "x"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **env}, check=False)
    assert done.returncode == 2 and says in done.stderr
