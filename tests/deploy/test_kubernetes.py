"""The Kubernetes manifests: what the API server would take, and what it would not check."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDERS = ["base", "overlays/production"]


@pytest.fixture(params=FOLDERS)
def documents(request: pytest.FixtureRequest, render: Any) -> list[dict[str, Any]]:
    """All documents of the base, then of the overlay."""
    return render(request.param)


def spec_of(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the `spec` of the only document of that kind."""
    (spec,) = (document["spec"] for document in documents if document["kind"] == kind)
    return spec


def validate(document: dict[str, Any]) -> None:
    """Raise if a field is unknown, missing or of the wrong type."""
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_files_of_the_base_are_valid(root: Path) -> None:
    """Each manifest of the base stands by itself; kustomize's own file is none."""
    names = set()
    for path in (root / "deploy" / "kubernetes" / "base").glob("*.yaml"):
        if path.name != "kustomization.yaml":
            names.add(path.name)
            validate(yaml.safe_load(path.read_text()))

    kustomization = root / "deploy" / "kubernetes" / "base" / "kustomization.yaml"
    assert set(yaml.safe_load(kustomization.read_text())["resources"]) == names


def test_what_is_rendered_is_valid(documents: list[dict[str, Any]]) -> None:
    """After all patches, too."""
    for document in documents:
        validate(document)

    kinds = {document["kind"] for document in documents} - {"Namespace"}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }


def test_validation_is_strict(documents: list[dict[str, Any]]) -> None:
    """An unknown field is noticed, so the tests above mean something."""
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(documents[0] | {"sepc": {}})


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_are_restricted(folder: str, load_pod: Any) -> None:
    """What the Pod Security Standard `restricted` asks for, and a read-only root file system."""
    pod = load_pod(folder)

    context = pod.spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
    assert {kind for volume in pod.spec["volumes"] for kind in volume} <= {
        "name",
        "configMap",
        "secret",
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_environment_is_ours(folder: str, load_pod: Any) -> None:
    """Kubernetes adds no BFF_ variable of its own, and no token of its own."""
    pod = load_pod(folder)

    assert pod.spec["enableServiceLinks"] is False
    assert pod.spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize("folder", FOLDERS)
def test_secrets_are_files(folder: str, load_pod: Any) -> None:
    """No secret stands in the environment; each file is looked for where the Secret is mounted."""
    pod = load_pod(folder)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod.container["volumeMounts"]}

    for entry in pod.container["env"]:
        assert "valueFrom" not in entry
        assert not entry["name"].endswith(("SECRET", "TOKEN", "CACHE__URL"))
        if entry["name"].endswith("_FILE"):
            assert entry["value"].startswith(f"{mounts['secrets']}/")


def test_no_secret_is_among_the_manifests(documents: list[dict[str, Any]]) -> None:
    """The Secret is made elsewhere."""
    assert "Secret" not in {document["kind"] for document in documents}


def test_all_mean_the_same_pods(documents: list[dict[str, Any]]) -> None:
    """Service, budget, policy and spread select what the Deployment makes."""
    deployment = spec_of(documents, "Deployment")
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        spec_of(documents, "Service")["selector"],
        spec_of(documents, "PodDisruptionBudget")["selector"]["matchLabels"],
        spec_of(documents, "NetworkPolicy")["podSelector"]["matchLabels"],
        deployment["selector"]["matchLabels"],
        *(
            each["labelSelector"]["matchLabels"]
            for each in deployment["template"]["spec"]["topologySpreadConstraints"]
        ),
    ]

    assert all(selector and selector.items() <= labels.items() for selector in selectors)


def test_ports_have_the_names_that_are_used(documents: list[dict[str, Any]]) -> None:
    """Service, probes and policy name ports that the container has."""
    (container,) = spec_of(documents, "Deployment")["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    ingress = spec_of(documents, "NetworkPolicy")["ingress"]

    used = [port["targetPort"] for port in spec_of(documents, "Service")["ports"]]
    used += [container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("liveness", "readiness")]
    used += [port["port"] for rule in ingress for port in rule["ports"]]
    assert set(used) == ports == {"http", "admin"}


def test_the_policy_names_everyone(documents: list[dict[str, Any]]) -> None:
    """Each rule says from or to whom: one without would mean everybody."""
    policy = spec_of(documents, "NetworkPolicy")

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("from") for rule in policy["ingress"])
    assert all(rule.get("to") for rule in policy["egress"])


def test_a_rollout_and_a_drained_node_leave_enough(documents: list[dict[str, Any]]) -> None:
    """No pod goes before its successor is ready; the autoscaler alone says how many there are."""
    deployment = spec_of(documents, "Deployment")
    scaler = spec_of(documents, "HorizontalPodAutoscaler")

    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in deployment
    assert spec_of(documents, "PodDisruptionBudget")["maxUnavailable"] < scaler["minReplicas"]
