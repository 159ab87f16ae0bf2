"""A step that is captured and replayed trains as the textbook's loop does.

There is no GPU here. What a CUDA graph does is made up: a recording of torch's operations that is
repeated without Python, in the same memory, with every number that was no tensor as it was.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.codes import StopReason
from app.jobspec import JobSpec
from tests.unit.training.runs import of, run
from worker.messages import Checkpoint, Epoch, Report
from worker.training import method
from worker.training.captured import CapturedLoop
from worker.training.dataset import Dataset
from worker.training.interruptions import Stopping
from worker.training.loop import Step
from worker.training.run import Run

Operation = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Recording(TorchDispatchMode):
    """All operations of torch within its context, which are also made."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def repeat(self) -> None:
        for func, args, kwargs, recorded in self.operations:
            again = func(*args, **kwargs)
            for place, new in zip(tree_leaves(recorded), tree_leaves(again), strict=True):
                if isinstance(place, Tensor) and place.data_ptr() != new.data_ptr():
                    place.copy_(new)


def recorded(step: Callable[[], Step]) -> Callable[[], Step]:
    step()
    with Recording() as recording:
        seen = step()

    def replay() -> Step:
        recording.repeat()
        return seen

    return replay


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Runs take the loop of a GPU; the list gets an item for each step that is replayed."""
    made: list[None] = []

    def counted(step: Callable[[], Step]) -> Callable[[], Step]:
        replay = recorded(step)

        def count_and_replay() -> Step:
            made.append(None)
            return replay()

        return count_and_replay

    monkeypatch.setattr("worker.training.state.CapturedLoop", lambda: CapturedLoop(counted))
    monkeypatch.setattr(method, "is_captured", lambda *_: True)
    return made


RATE = 2**-8
"""Adam's rate lies in memory as float32, which has this one exactly."""
SETTINGS: list[dict[str, Any]] = [
    {"optimizer": {"name": "sgd", "lr": 0.05}, "schedule": {"name": "cosine", "warmup": 0.2}},
    {"optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.01}},
    {"optimizer": {"name": "sgd", "lr": 0.05, "nesterov": True}, "gradient_clipping": 0.5},
    {"optimizer": {"name": "sgd", "lr": 0.05}, "loss": {"class_weights": "balanced"}},
    {"optimizer": {"name": "adam", "lr": RATE}, "loss": {"label_smoothing": 0.1}},
    {"optimizer": {"name": "adamw", "lr": RATE}, "precision": "bfloat16"},
]
NETWORKS: list[dict[str, Any]] = [
    {"hidden": [32, 16]},
    {"hidden": [32], "dropout": 0.3, "batch_norm": True},
]


def spec(training: dict[str, Any], model: dict[str, Any]) -> JobSpec:
    usual = {"epochs": 2, "batch_size": 64, "gradient": "autograd"}
    fields = {"dataset": {"name": "digits"}, "model": model, "training": usual | training}
    fields["diagnosis"] = False  # which would test rates, and so capture a step of its own
    return JobSpec.model_validate(fields)


@pytest.mark.parametrize("model", NETWORKS, ids=str)
@pytest.mark.parametrize("training", SETTINGS, ids=str)
def test_a_captured_step_gives_the_weights_of_the_textbooks(
    training: dict[str, Any],
    model: dict[str, Any],
    digits: Dataset,
    replays: list[None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = spec(training, model)
    found, reports = run(wanted, digits)
    full_batches = wanted.dataset.training_images // 64
    assert len(replays) == 1 + 2 * full_batches  # the first is the check's
    monkeypatch.setattr(method, "is_captured", lambda *_: False)
    expected, expected_reports = run(wanted, digits)
    assert found.weights_sha256 == expected.weights_sha256
    losses, expected_losses = (
        [each.metrics for each in of(Epoch, some)] for some in (reports, expected_reports)
    )
    assert losses == expected_losses


@pytest.mark.parametrize("model", NETWORKS, ids=str)
@pytest.mark.parametrize("training", [SETTINGS[0], SETTINGS[4]], ids=str)
def test_a_resumed_run_captures_anew_and_gives_the_same_bits(
    training: dict[str, Any], model: dict[str, Any], digits: Dataset, replays: list[None]
) -> None:
    wanted = spec(training, model)
    unbroken, _ = run(wanted, digits)
    replays.clear()
    reports: list[Report] = []
    asked = count(1)
    stopped = Run(
        wanted, digits, reports.append, lambda: StopReason.PAUSE if next(asked) == 30 else None
    )
    with pytest.raises(Stopping):
        stopped.run()
    resumed = Run(wanted, digits, reports.append, lambda: None)
    last = of(Checkpoint, reports)[-1]
    found = resumed.run(last.content)
    assert found.weights_sha256 == unbroken.weights_sha256
    assert len(replays) > 2


@pytest.mark.usefixtures("replays")
def test_a_step_that_waits_for_the_gpu_is_made_as_the_textbook_has_it(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = spec(SETTINGS[0], NETWORKS[1])
    expected, _ = run(wanted, digits)
    monkeypatch.setattr(nn.CrossEntropyLoss, "forward", waiting)
    with pytest.warns(UserWarning, match="without CUDA graphs: operation not permitted"):
        found, _ = run(wanted, digits)
    assert found.weights_sha256 == expected.weights_sha256


def waiting(_criterion: nn.CrossEntropyLoss, outputs: Tensor, labels: Tensor) -> Tensor:
    loss = functional.cross_entropy(outputs, labels)
    if not loss.isfinite().item():
        raise AssertionError
    return loss


@pytest.mark.usefixtures("replays")
def test_a_captured_step_that_does_something_else_is_not_taken(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = spec(SETTINGS[0], NETWORKS[1])
    expected, _ = run(wanted, digits)

    def once(step: Callable[[], Step]) -> Callable[[], Step]:
        seen = step()
        return lambda: seen

    monkeypatch.setattr("worker.training.state.CapturedLoop", lambda: CapturedLoop(once))
    with pytest.warns(UserWarning, match="changes the weights in another way"):
        found, _ = run(wanted, digits)
    assert found.weights_sha256 == expected.weights_sha256


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"training": {"optimizer": {"name": "adam", "lr": 0.001}}}, True),
        ({"training": {"optimizer": {"name": "rmsprop", "lr": 0.001}}}, False),
        ({"training": {"gradient": "autograd"}}, False),
        ({"training": {"batch_size": 8192, "epochs": 1}}, False),
        ({"resources": {"workers": 2}}, False),
    ],
    ids=str,
)
def test_which_runs_of_a_gpu_are_captured(fields: dict[str, Any], *, expected: bool) -> None:
    wanted = JobSpec.model_validate(fields)
    assert method.is_captured(wanted, torch.device("cuda")) is expected
    assert method.is_captured(wanted, torch.device("cpu")) is False
