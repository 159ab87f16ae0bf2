"""What a worker offers, and what of a job's requirements it lacks."""

from dataclasses import replace

import pytest

from app import worker_labels
from app.jobspec import JobSpec
from app.jobspec.presets import PRESETS
from app.settings import BadSettings, Settings
from app.store import requirements
from app.store.requirements import Requirements
from tests.runs import OFFER
from worker import processors

LONGEST = "a" * 63


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ("gpu=a100", {"gpu": "a100"}),
        (" gpu=a100, zone=b ,", {"gpu": "a100", "zone": "b"}),
        ("spot=", {"spot": ""}),
        ("example.org/zone=b-1.x", {"example.org/zone": "b-1.x"}),
        (f"{LONGEST}={LONGEST}", {LONGEST: LONGEST}),
    ],
)
def test_labels_are_read(text: str, labels: dict[str, str]) -> None:
    assert worker_labels.parsed(text) == labels
    assert worker_labels.parsed(worker_labels.text(labels)) == labels


@pytest.mark.parametrize(
    "text",
    ["gpu", "=a", "gpu=a=b", "gpu=a b", "gpu=a,gpu=b", f"{LONGEST}a=b", "gpü=a", "gpu=-a", "/a=b",
     ",".join(f"k{number}=v" for number in range(17))],
)  # fmt: skip
def test_labels_that_are_none_are_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIND_WORKER_LABELS", text)
    with pytest.raises(BadSettings, match="TRAIND_WORKER_LABELS"):
        Settings.from_environment()


def test_what_every_worker_has_is_no_requirement() -> None:
    plain = Requirements.of_spec(JobSpec().model_dump(mode="json"))
    assert plain.text == "{}"
    assert Requirements.of_spec({}) == plain  # a job from before there were requirements
    assert plain.unmet(OFFER) == []


def test_each_thing_that_is_lacking_is_named() -> None:
    spec = {
        "requires": {"zone": "b", "gpu": "a100"},
        "resources": {"threads": 8, "memory_mb": 9000, "device": "cuda", "workers": 2},
    }
    required = Requirements.of_spec(JobSpec.model_validate(spec).model_dump(mode="json"))
    assert requirements.from_text(required.text) == required
    assert required.unmet(replace(OFFER, threads=4)) == [
        "gpu=a100", "zone=b", "8 threads", "9000 MB of memory for a run", "a GPU",
        "a Ray cluster (resources.workers)",
    ]  # fmt: skip
    labels = {"zone": "b", "gpu": "a100"}
    right = replace(OFFER, labels=labels, threads=8, memory_mb=9000, device="cuda", engine="ray")
    assert required.unmet(right) == []


def test_the_longest_lane_fits_into_an_index_of_postgresql() -> None:
    """An entry of an index has at most 2704 bytes there."""
    labels = {f"{number}{LONGEST[1:]}": LONGEST for number in range(8)}
    spec = JobSpec.model_validate({"requires": labels})
    assert len(Requirements.of_spec(spec.model_dump(mode="json")).text) + 31 < 2000


def test_a_containers_quota_limits_the_processors(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("cgroup") / "cpu.max"
    monkeypatch.setattr(processors, "CGROUP", file)
    monkeypatch.setattr(processors.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(processors.os, "cpu_count", lambda: 8)
    found = [processors.usable()]
    for quota in ("max 100000\n", "150000 100000\n", "1000 100000\n", "9900000 100000\n"):
        file.write_text(quota)
        found.append(processors.usable())
    assert found == [8, 8, 2, 1, 8]


@pytest.mark.parametrize("name", PRESETS)
def test_a_worker_with_one_processor_takes_the_jobs_of_every_preset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "usable", lambda: 1)
    asked = PRESETS[name].spec.get("resources", {}).get("threads", 1)
    assert asked <= processors.threads()
