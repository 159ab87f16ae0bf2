"""What the manifests of deploy/kubernetes promise, and that Kubernetes would take them."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.__main__ import SHUTDOWN_SECONDS
from app.codes import StopReason
from app.main import create_app
from app.settings import Settings
from worker.held import GRACE_SECONDS
from worker.supervisor import LEAVE_SECONDS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES: list[dict[str, Any]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] == "Deployment"}
PODS: dict[str, Any] = {name: each["spec"]["template"] for name, each in DEPLOYMENTS.items()}
OLDEST = "1.27"
"""The oldest version whose schema the manifests are held to; the newest is the schemas' own."""
each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = (e for e in RESOURCES if (e["kind"], e["metadata"]["name"]) == (kind, name))
    return found


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", [OLDEST, None])
def test_every_manifest_is_as_the_schemas_of_kubernetes_have_it(version: str | None) -> None:
    if find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed: no schemas to hold manifests to")
    import kubernetes_validate  # noqa: PLC0415

    for each in RESOURCES:
        kubernetes_validate.validate(
            each, version or kubernetes_validate.latest_version(), strict=True
        )


def test_every_file_is_named_by_the_kustomization() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


def test_the_images_are_those_of_the_dockerfile_with_a_version() -> None:
    stages = set(re.findall(r"^FROM runtime AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.M))
    assert {f"traind-{stage}" for stage in stages} == set(PODS)
    assert {container(pod)["image"] for pod in PODS.values()} == set(PODS)
    assert {image["name"] for image in KUSTOMIZATION["images"]} == set(PODS)
    assert all(image["newTag"] != "latest" for image in KUSTOMIZATION["images"])


@each_pod
def test_a_pod_has_no_more_rights_than_it_needs(pod: dict[str, Any]) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert user
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == int(user[1])
    assert spec["securityContext"]["runAsGroup"] == int(user[2])
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()


@each_pod
def test_what_a_pod_writes_is_on_volumes_of_its_own(pod: dict[str, Any]) -> None:
    mounts = {each["mountPath"]: each["name"] for each in container(pod)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert set(mounts) == {"/data", "/tmp"}  # TRAIND_HOME and HOME of the images  # noqa: S108
    assert set(mounts.values()) == set(volumes)
    assert all(each["emptyDir"]["sizeLimit"] for each in volumes.values())


@each_pod
def test_a_pod_is_given_settings_that_exist(pod: dict[str, Any]) -> None:
    known = {f"TRAIND_{name.upper()}" for name in Settings.model_fields}
    given = set(named("ConfigMap", "traind")["data"])
    assert given | {each["name"] for each in container(pod).get("env", [])} <= known
    assert container(pod)["envFrom"] == [
        {"configMapRef": {"name": "traind"}},
        {"secretRef": {"name": "traind"}},
    ]
    assert not any(each["kind"] == "Secret" for each in RESOURCES)
    assert pod["spec"]["enableServiceLinks"] is False


@each_pod
def test_a_pod_asks_for_what_it_needs_and_has_limits(pod: dict[str, Any]) -> None:
    resources = container(pod)["resources"]
    assert {"cpu", "memory", "ephemeral-storage"} == set(resources["requests"])
    assert {"memory", "ephemeral-storage"} == set(resources["limits"])


def test_a_pod_has_the_time_that_it_takes_to_stop() -> None:
    grace = {name: pod["spec"]["terminationGracePeriodSeconds"] for name, pod in PODS.items()}
    assert grace["traind-worker"] >= 2 * (LEAVE_SECONDS + GRACE_SECONDS[StopReason.SHUTDOWN])
    waits = container(PODS["traind-api"])["lifecycle"]["preStop"]["exec"]["command"]
    assert grace["traind-api"] >= 2 * (SHUTDOWN_SECONDS + int(waits[1]))


def test_probes_ask_what_is_there_and_none_restarts_a_worker_for_its_database() -> None:
    api, worker = (container(PODS[name]) for name in ("traind-api", "traind-worker"))
    paths = create_app(Settings()).openapi()["paths"]
    probes = {name: api[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= set(paths)
    assert api["ports"] == [{"name": "http", "containerPort": 8000}]
    assert "livenessProbe" not in worker
    command = worker["readinessProbe"]["exec"]["command"]
    assert json.dumps(command) in (ROOT / "Dockerfile").read_text()


def test_services_budgets_and_policies_select_the_pods() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
    for name, deployment in DEPLOYMENTS.items():
        assert deployment["spec"]["selector"]["matchLabels"] == labels[name]
        budget = named("PodDisruptionBudget", name)["spec"]["selector"]
        assert budget["matchLabels"] == labels[name]
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert named("Service", "traind")["spec"]["selector"] == labels["traind-api"]
    everybody = named("NetworkPolicy", "traind")["spec"]
    assert everybody["podSelector"]["matchLabels"].items() <= labels["traind-worker"].items()
    assert everybody["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everybody
    reached = named("NetworkPolicy", "traind-api")["spec"]["podSelector"]["matchLabels"]
    assert reached == labels["traind-api"]


def test_the_document_names_every_manifest() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    assert all(f"`{name}`" in page for name in KUSTOMIZATION["resources"])
