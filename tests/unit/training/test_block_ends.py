"""A run whose loop ends within a block leaves its network as it is after the newest step."""

import pytest

from app.jobspec import blocks as block_length
from tests.unit.training.runs import digits_spec
from worker.messages import Report, RunningLoss
from worker.training import export
from worker.training.dataset import Dataset
from worker.training.run import Run


@pytest.fixture(autouse=True)
def blocks_of_six(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_length, "length", lambda *_: 6)


def exported(run_: Run) -> str:
    return export.weights_sha256(run_.network)


def test_a_run_that_ends_by_an_error_leaves_its_network_up_to_date(digits: Dataset) -> None:
    """Also while the error, and with it every frame, is still held."""

    def failing(report: Report) -> None:
        if isinstance(report, RunningLoss):
            raise OSError("the supervisor is gone")

    broken = Run(digits_spec(log_every=8), digits, failing, lambda: None)
    with pytest.raises(OSError, match="gone") as held:
        broken.run()
    expected = Run(digits_spec(), digits, lambda _: None, lambda: None)
    steps = expected._steps()
    expected._state.set_rate()
    for _ in range(8):
        next(steps)
    steps.close()
    assert exported(broken) == exported(expected)
    assert held.traceback
