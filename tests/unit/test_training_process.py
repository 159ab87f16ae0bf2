"""How a training process says that a run ended: the failure's code, in words with an advice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from app.codes import FailureCode
from app.jobspec import JobSpec
from tests.unit.training.runs import of
from worker.messages import Failed, Order, Report, Started, Stopped
from worker.training.dataset import Dataset
from worker.training_process import _is_out_of_memory, last_word


@dataclass
class Listener:
    """An order, and an owner who cancels it at the first step."""

    order: Order

    def stop_requested(self) -> str | None:
        return "cancel"


def word(digits_home: Path, spec: dict[str, Any]) -> tuple[Report, list[Report]]:
    said: list[Report] = []
    listener: Any = Listener(Order(spec, str(digits_home), None))
    return last_word(listener, said.append), said


@pytest.fixture
def home(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("worker.training_process.open_dataset", lambda *_: digits)
    return tmp_path


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_a_failure_of_its_own(home: Path) -> None:
    fields = {"dataset": {"name": "digits"}, "resources": {"device": "cuda"}}
    failed, _ = word(home, JobSpec.model_validate(fields).model_dump(mode="json"))
    assert isinstance(failed, Failed)
    assert failed.code == FailureCode.DEVICE_UNAVAILABLE
    assert "cuda" in failed.message
    assert "resources.device" in failed.advice


def test_a_spec_that_would_no_longer_be_accepted_runs(home: Path) -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}}).model_dump(mode="json")
    del spec["dataset"]["facts"]
    spec["model"] |= {"hidden": [], "batch_norm": True}
    spec["training"]["epochs"] = 10**9
    stopped, said = word(home, spec)
    assert stopped == Stopped("cancel")
    assert of(Started, said)


@pytest.mark.parametrize(
    ("error", "is_short"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 400 bytes"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not execute a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for the matmul primitive"), False),
        (ValueError("could not create a primitive"), False),
    ],
)
def test_a_lack_of_memory_is_known_by_what_torch_and_onednn_say(
    error: Exception,
    is_short: bool,
) -> None:
    assert _is_out_of_memory(error) == is_short
