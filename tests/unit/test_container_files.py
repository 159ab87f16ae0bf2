"""What the Dockerfile and the compose file promise: `make image-check` runs the rest."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.codes import StopReason
from app.settings import Settings
from worker.held import GRACE_SECONDS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OTHERS = {name: each for name, each in COMPOSE["services"].items() if "profiles" in each}
SERVICES: dict[str, Any] = {
    name: each for name, each in COMPOSE["services"].items() if name not in OTHERS
}
"""Those of our own images, which start without a profile."""
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def stage(name: str) -> str:
    """The lines of one stage of the Dockerfile."""
    return re.split(rf"^FROM .* AS {name}$", DOCKERFILE, flags=re.MULTILINE)[1].split("\nFROM ")[0]


def test_the_services_are_the_api_and_the_worker_each_with_its_target() -> None:
    assert {name: service["build"]["target"] for name, service in SERVICES.items()} == {
        "api": "api",
        "worker": "worker",
    }


@each_service
def test_a_service_has_no_more_rights_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & service.keys()


@each_service
def test_a_service_runs_as_the_user_of_its_image(service: dict[str, Any]) -> None:
    user = re.search(r"^USER (\S+)$", stage("runtime"), re.MULTILINE)
    assert user
    assert service["user"] == user[1]
    assert "0" not in service["user"].split(":")


@each_service
def test_a_service_has_an_init_and_is_restarted(service: dict[str, Any]) -> None:
    assert service["init"] is True
    assert service["restart"] == "unless-stopped"


def test_a_worker_is_given_twice_the_time_that_its_runs_may_take_to_stop() -> None:
    assert (
        seconds(SERVICES["worker"]["stop_grace_period"]) >= 2 * GRACE_SECONDS[StopReason.SHUTDOWN]
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_checked_as_its_image_says(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    said = re.search(r"^HEALTHCHECK (.*) \\$", stage(name), re.MULTILINE)
    assert said
    options = dict(option[2:].split("=") for option in said[1].split())
    assert options == {key.replace("_", "-"): str(value) for key, value in check.items()}


def test_there_is_one_volume_and_both_services_keep_everything_on_it() -> None:
    assert set(COMPOSE["volumes"]) == {"data", *OTHERS}
    assert "TRAIND_HOME=/data" in stage("runtime")
    for service in SERVICES.values():
        assert "data:/data" in service["volumes"]


def test_the_api_is_reachable_from_this_machine_only() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])
    assert "ports" not in SERVICES["worker"]


@each_service
def test_a_service_is_given_settings_that_exist(service: dict[str, Any]) -> None:
    known = {f"TRAIND_{name.upper()}" for name in Settings.model_fields}
    told = (Path(__file__).parents[2] / "docs" / "objects.md").read_text()
    others = {name for name in service["environment"] if f"`{name}`" in told}
    assert all(name.startswith("AWS_") for name in others - known)
    assert set(service["environment"]) <= known | others


def test_the_database_server_starts_only_when_asked_and_is_reached_by_the_services_only() -> None:
    assert set(OTHERS) == {"postgres"}
    server = OTHERS["postgres"]
    assert server["profiles"] == ["postgres"]
    assert "ports" not in server
    assert server["volumes"] == ["postgres:/var/lib/postgresql"]
    for service in SERVICES.values():
        assert service["environment"]["TRAIND_DATABASE_URL"] == "${TRAIND_DATABASE_URL:-}"
        assert "depends_on" not in service


def test_no_package_index_is_named() -> None:
    hosts = re.findall(r"https?://([^/:]+)", DOCKERFILE + (ROOT / "docker-compose.yml").read_text())
    assert set(hosts) == {"127.0.0.1"}


def test_the_builder_is_sent_nothing_that_is_not_named() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sources = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(sources)


def seconds(duration: str) -> float:
    """A compose duration of seconds, such as `30s`."""
    return float(duration.removesuffix("s"))
