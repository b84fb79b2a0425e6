"""The chart and the manifests: they render, agree with each other, and keep to Pod Security."""

import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm" / "fondant-operator"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
BUILT = ROOT / ".cache" / "bin" / "helm"
HELM = os.environ.get("HELM") or (str(BUILT) if BUILT.exists() else shutil.which("helm"))
NAMESPACE = "fondant-system"


def helm(*args, check=True):
    assert HELM, "no helm: run `make tools` or set HELM"
    done = subprocess.run([HELM, *args], capture_output=True, text=True, timeout=120)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def template(*args, check=True):
    # A helm that `go install` built takes the cluster for 1.20 unless told.
    done = helm("template", "test", str(CHART), "--namespace", NAMESPACE,
                "--kube-version", "v1.30.0", *args, check=check)
    return [doc for doc in yaml.safe_load_all(done.stdout) if doc] if check else done


def only(docs, kind, name=None):
    found = [doc for doc in docs if doc["kind"] == kind and name in (None, doc["metadata"]["name"])]
    assert len(found) == 1, [doc["metadata"]["name"] for doc in found]
    return found[0]


def manifests(folder):
    docs = []
    for path in sorted((ROOT / "manifests" / folder).glob("*.yaml")):
        docs += [doc for doc in yaml.safe_load_all(path.read_text()) if doc]
    return docs


def rules(role):
    """The rights of a role as a set of (group, resource, verb)."""
    return {(group, resource, verb) for rule in role["rules"] for group in rule["apiGroups"]
            for resource in rule["resources"] for verb in rule["verbs"]}


@pytest.fixture(scope="module")
def default_text():
    return template(check=False).stdout


@pytest.fixture
def default(default_text):
    """The objects that the chart renders with its own values."""
    return [doc for doc in yaml.safe_load_all(default_text) if doc]


def env_of(main):
    return {item["name"]: item.get("value") for item in main["env"]}


def container(docs):
    return only(docs, "Deployment")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("values", [None, *CI], ids=lambda path: path.stem if path else "default")
def test_lint(values):
    args = ["-f", str(values)] if values else []
    helm("lint", "--strict", "--kube-version", "v1.30.0", str(CHART), *args)
    for doc in template(*args):
        assert doc["metadata"]["labels"]["app.kubernetes.io/part-of"] == "fondant"


def test_rendering_is_repeatable():
    first = template(check=False).stdout
    assert first and first == template(check=False).stdout


@pytest.mark.parametrize("setting", [
    "unknown=1", "image.name=a", "log.colour=red", "crds.install=true", "rbac.extra=1",
    "resources.cpu=1", "stepPods.root=true", "serviceAccount.token=a", "log.level=loud",
    "image.digest=sha256:abc", "watchNamespaces={Data}", "implicitBackend=maybe",
    "extraArgs={x}", "images.resolve=maybe", "ambientCredentials=1", "registries.mirrors.a=b",
    "registries.insecure={a b}", "registries.caBundle=x", "affinity.node=a", "serviceAccount.create=false",
])
def test_schema_refuses(setting):
    done = template("--set", setting, check=False)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_every_value_is_commented():
    """Every block of top-level keys in values.yaml has a comment above it."""
    commented = False
    for line in (CHART / "values.yaml").read_text().splitlines():
        if not line.strip():
            commented = False
        elif line.lstrip().startswith("#"):
            commented = True
        elif not line.startswith(" "):
            assert commented, line


def test_schema_knows_every_value():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {*values, "global"}


def test_crds_are_the_same_files():
    assert subprocess.run([ROOT / "helm" / "sync-crds", "--check"]).returncode == 0


def test_crds_render_unchanged(default):
    for path in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        rendered = only(default, "CustomResourceDefinition", crd["metadata"]["name"])
        assert rendered["spec"] == crd["spec"]
        assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert sum(doc["kind"] == "CustomResourceDefinition" for doc in default) == 4


def test_crds_on_request():
    kinds = [doc["kind"] for doc in template("--set", "crds.enabled=false")]
    assert "CustomResourceDefinition" not in kinds
    for doc in template("--set", "crds.keep=false"):
        assert "helm.sh/resource-policy" not in doc["metadata"].get("annotations", {})


def test_role_is_the_one_of_the_manifests(default):
    shipped = only(manifests("rbac"), "ClusterRole", "fondant-controller")
    rendered = only(default, "ClusterRole", "test-fondant-operator")
    assert rendered["rules"] == shipped["rules"]
    for name in ("view", "edit", "admin"):
        shipped = only(manifests("rbac"), "ClusterRole", f"fondant-{name}")
        rendered = only(default, "ClusterRole", f"test-fondant-operator-{name}")
        assert rendered["rules"] == shipped["rules"]
        assert shipped["metadata"]["labels"].items() <= rendered["metadata"]["labels"].items()


def test_role_grants_no_more(default):
    granted = rules(only(default, "ClusterRole", "test-fondant-operator"))
    assert not any("*" in right for right in granted)
    resources = {resource for _, resource, _ in granted}
    assert not resources & {"leases", "nodes", "namespaces"}
    # pull secrets are read one by one, by name
    assert {right for right in granted if right[1] in ("secrets", "serviceaccounts")} == {
        ("", "secrets", "get"), ("", "serviceaccounts", "get")}
    for kind in ("fondantpipelines", "fondantcomponents"):
        assert {verb for _, resource, verb in granted if resource == kind} == {
            "get", "list", "watch"}
    # the finalizers of runs, and of the backends of those outside the cluster
    assert {right for right in granted if right[2] == "patch"
            and right[1] in ("fondantruns", "fondantbackends")} == {
        ("fondant.ai", "fondantruns", "patch"), ("fondant.ai", "fondantbackends", "patch")}
    assert ("fondant.ai", "fondantruns", "update") not in granted


def test_without_outside_backends_only_runs_are_patched():
    docs = template("--set", "outsideBackends=false")
    granted = rules(only(docs, "ClusterRole", "test-fondant-operator"))
    assert {right[1] for right in granted if right[2] == "patch" and right[1] in (
        "fondantruns", "fondantbackends", "fondantpipelines")} == {"fondantruns"}
    assert ("", "serviceaccounts/token", "create") not in granted


def test_without_resolving_no_secret_is_granted():
    docs = template("--set", "images.resolve=false", "--set", "outsideBackends=false")
    assert not {resource for _, resource, _ in rules(only(docs, "ClusterRole", "test-fondant-operator"))
                } & {"secrets", "serviceaccounts"}
    assert "--resolve-images=false" in container(docs)["args"]


def test_kustomize_tells_the_operator_its_image():
    kubectl = ROOT / ".cache" / "bin" / "kubectl"
    done = subprocess.run([str(kubectl) if kubectl.exists() else "kubectl", "kustomize",
                           str(ROOT / "manifests" / "default")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    main = container([doc for doc in yaml.safe_load_all(done.stdout) if doc])
    assert env_of(main)["FONDANT_OPERATOR_IMAGE"] == main["image"] == "fondant-controller:0.1.0"


def test_grant_shrinks_with_the_watch():
    docs = template("--set", "watchNamespaces={data,text}", "--set", "rbac.userRoles=false")
    assert not [doc for doc in docs if doc["kind"].startswith("ClusterRole")]
    shipped = only(manifests("rbac"), "ClusterRole", "fondant-controller")
    for kind in ("Role", "RoleBinding"):
        found = [doc for doc in docs if doc["kind"] == kind]
        assert sorted(doc["metadata"]["namespace"] for doc in found) == ["data", "text"]
        for doc in found:
            if kind == "Role":
                assert doc["rules"] == shipped["rules"]
            else:
                assert doc["subjects"][0]["namespace"] == NAMESPACE
    assert "--watch-namespaces=data,text" in container(docs)["args"]


def test_deployment_is_the_one_of_the_manifests(default):
    shipped = only(manifests("manager"), "Deployment")["spec"]
    rendered = only(default, "Deployment")["spec"]
    assert rendered["strategy"] == shipped["strategy"] == {"type": "Recreate"}
    assert rendered["replicas"] == shipped["replicas"] == 1
    shipped, rendered = shipped["template"]["spec"], rendered["template"]["spec"]
    ours, theirs = shipped["containers"][0], rendered["containers"][0]
    image = theirs.pop("image")
    assert ours.pop("image") + ":0.1.0" == image
    assert env_of(theirs)["FONDANT_OPERATOR_IMAGE"] == image
    for found in (ours, theirs):
        found["env"] = [item for item in found["env"] if item["name"] != "FONDANT_OPERATOR_IMAGE"]
    assert shipped.pop("serviceAccountName") == "fondant-controller"
    assert rendered.pop("serviceAccountName") == "test-fondant-operator"
    assert rendered == shipped


def test_values_reach_the_deployment():
    docs = template("-f", str(CHART / "ci" / "full-values.yaml"))
    main = container(docs)
    pod = only(docs, "Deployment")["spec"]["template"]
    assert main["image"].startswith("registry.example/fondant/controller@sha256:0123")
    assert main["args"] == ["--implicit-backend=false", "--step-run-as-non-root",
                            "--ambient-credentials", "--allow-local-endpoints",
                            "--resolve-images=false",
                            "--registry-mirror=docker.io=mirror.example:5000/hub",
                            "--registry-mirror=docker.io=https://second.example",
                            "--insecure-registry=registry.lab:5000",
                            "--registry-ca=/etc/fondant/registry-ca/ca.crt",
                            "--log-level=debug", "--log-format=json", "--extra=1"]
    assert main["env"][-1]["name"] == "HTTPS_PROXY"
    assert env_of(main)["FONDANT_OPERATOR_IMAGE"] == main["image"]
    for mounts in (main["volumeMounts"], pod["spec"]["volumes"]):
        assert [item["name"] for item in mounts] == ["registry-ca", "ca"]
    bundle = only(docs, "ConfigMap")
    assert pod["spec"]["volumes"][0]["configMap"]["name"] == bundle["metadata"]["name"]
    assert bundle["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert "fondant.ai/registry-ca" in pod["metadata"]["annotations"]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["spec"]["tolerations"][0]["key"] == "dedicated"
    assert "nodeAffinity" in pod["spec"]["affinity"]
    assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
    assert pod["metadata"]["labels"]["tier"] == "control"
    assert pod["metadata"]["annotations"]["note"] == "by the platform team"
    assert only(docs, "ServiceAccount")["metadata"]["name"] == "controller"
    assert only(docs, "Deployment")["metadata"]["name"] == "fondant"
    assert all(doc["metadata"]["labels"]["team"] == "platform" for doc in docs)


def text(stream):
    return stream.decode() if isinstance(stream, bytes) else stream or ""


@pytest.fixture(scope="module")
def restricted(cp_kubectl, tmp_path_factory):
    """A namespace that enforces Pod Security "restricted"; apply(docs) tries objects in it."""
    name = f"chart-test-{os.getpid()}"
    path = tmp_path_factory.mktemp("chart") / "docs.yaml"

    def call(*args):
        done = cp_kubectl(*[str(arg) for arg in args])
        return done.returncode, text(done.stdout) + text(done.stderr)

    def apply(docs):
        path.write_text(yaml.safe_dump_all(docs))
        return call("-n", name, "create", "--dry-run=server", "-f", path)

    code, output = call("create", "namespace", name)
    assert code == 0, output
    code, output = call("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted",
                        "pod-security.kubernetes.io/warn=restricted")
    assert code == 0, output
    code, output = call("-n", name, "create", "serviceaccount", "test-fondant-operator")
    assert code == 0, output
    yield apply, call
    call("delete", "namespace", name, "--wait=false")


def pod_of(deployment):
    """The pod that the Deployment would make."""
    pod = deployment["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "spec": pod["spec"],
            "metadata": {**pod["metadata"], "name": "controller"}}


def test_pod_security(restricted, default):
    apply, _ = restricted
    deployment = only(default, "Deployment")
    deployment["metadata"].pop("namespace")
    code, output = apply([deployment])
    assert code == 0 and "Warning" not in output, output
    code, output = apply([pod_of(deployment)])
    assert code == 0, output
    # and the namespace does enforce it
    pod = pod_of(deployment)
    pod["spec"] = {**pod["spec"], "securityContext": {}}
    code, output = apply([pod])
    assert code != 0 and "violates PodSecurity" in output


def test_server_takes_everything(restricted, default):
    apply, call = restricted
    code, output = call("kustomize", ROOT / "manifests" / "default")
    assert code == 0, output
    names = {doc["metadata"]["name"] for doc in yaml.safe_load_all(output)}
    assert {"fondantruns.fondant.ai", "fondant-controller", NAMESPACE} <= names
    for doc in default:
        doc["metadata"].pop("namespace", None)
    code, output = apply([doc for doc in default if doc["kind"] not in (
        "CustomResourceDefinition", "ServiceAccount")])
    assert code == 0, output


@pytest.fixture
def allowed(cp_kubectl, default, tmp_path):
    """allowed(rights) -> which of these (verb, group, resource) an account with our role has."""
    user, path = f"chart-test-{os.getpid()}", tmp_path / "docs.yaml"
    role = only(default, "ClusterRole", "test-fondant-operator")
    role["metadata"]["name"] = user
    path.write_text(yaml.safe_dump(role))
    assert cp_kubectl("create", "-f", str(path)).returncode == 0
    assert cp_kubectl("create", "clusterrolebinding", user, f"--user={user}",
                      f"--clusterrole={user}").returncode == 0

    def ask(rights):
        reviews = []
        for verb, group, resource in rights:
            resource, _, subresource = resource.partition("/")
            reviews.append({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": user, "resourceAttributes": {
                    "namespace": "default", "verb": verb, "group": group, "resource": resource,
                    "subresource": subresource}}})
        path.write_text(yaml.safe_dump_all(reviews))
        done = cp_kubectl("create", "-f", str(path), "-o", "jsonpath={.status.allowed} ")
        answers = text(done.stdout).split()
        assert len(answers) == len(rights), text(done.stderr)
        return {right for right, answer in zip(rights, answers) if answer == "true"}

    yield ask
    cp_kubectl("delete", f"clusterrolebinding/{user}", f"clusterrole/{user}")


def test_what_the_role_allows(allowed):
    yes = [("list", "fondant.ai", "fondantpipelines"),
           ("patch", "fondant.ai", "fondantruns/status"),
           ("update", "fondant.ai", "fondantruns/finalizers"), ("create", "batch", "jobs"),
           ("patch", "batch", "jobs"),
           ("delete", "", "configmaps"), ("watch", "", "pods"),
           ("create", "events.k8s.io", "events"), ("get", "", "secrets"),
           ("get", "", "serviceaccounts")]
    no = [("list", "", "secrets"), ("watch", "", "secrets"), ("patch", "", "secrets"), ("patch", "fondant.ai", "fondantpipelines"),
          ("update", "fondant.ai", "fondantruns"), ("create", "", "pods"), ("delete", "", "pods"),
          ("create", "", "pods/exec"), ("get", "", "pods/log"), ("update", "batch", "jobs"),
          ("create", "rbac.authorization.k8s.io", "clusterrolebindings")]
    assert allowed(yes + no) == set(yes)
