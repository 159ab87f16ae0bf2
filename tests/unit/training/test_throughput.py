"""How often a run reports where it is."""

import pytest

from app.jobspec import JobSpec
from worker.training import throughput
from worker.training.throughput import Throughput


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throughput, "time", made)
    return made


@pytest.mark.parametrize(
    ("age", "expected"), [(0, 0.1), (5, 0.1), (10, 0.1), (15, 0.15), (25, 0.25), (3600, 0.25)]
)
def test_an_old_run_reports_less_often(age: float, expected: float, clock: Clock) -> None:
    measured = Throughput(JobSpec())
    assert measured.due(1, 1) is not None, "the first step is reported at once"
    clock.at += age
    measured.now(1, 2)
    clock.at += expected - 0.001
    assert measured.due(1, 3) is None
    clock.at += 0.002
    found = measured.due(1, 4)
    assert found is not None
    assert found.step == 4


def test_the_throughput_is_that_of_the_last_seconds(clock: Clock) -> None:
    spec = JobSpec.model_validate({"training": {"batch_size": 10}})
    measured = Throughput(spec)
    for second in range(10):
        measured.now(1, 100 * second)
        clock.at += 1.0
    with measured.excluding():
        clock.at += 60.0
    found = measured.now(1, 1000)
    assert found.samples_per_second == pytest.approx(1000)
    assert found.eta_seconds == pytest.approx((spec.steps * 10 - 10_000) / 1000)
