"""Sums over the steps of an epoch, whoever asks for them and when."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from worker.training.loop import OpenBlock, Step
from worker.training.running_metrics import RunningMetrics

CLASSES, BATCH, STEPS = 5, 3, 50
CPU = torch.device("cpu")
OPEN = cast(OpenBlock, object())

Weight = int | Tensor


def steps(block: int, *, weighted: bool) -> list[tuple[Step, Weight]]:
    """Steps in blocks of this many, and their weights."""
    drawn = torch.Generator().manual_seed(0)
    made: list[tuple[Step, Weight]] = []
    for number in range(1, STEPS + 1):
        labels = torch.randint(0, CLASSES, (BATCH,), generator=drawn)
        outputs = torch.randn((BATCH, CLASSES), generator=drawn)
        magnitude = 10.0 ** int(torch.randint(-12, 6, (), generator=drawn))  # so that sums round
        loss = torch.rand((), generator=drawn) * magnitude
        weight = torch.rand((), generator=drawn).double() if weighted else BATCH
        is_last = number % block == 0 or number == STEPS
        made.append((Step(labels, outputs, loss, None if is_last else OPEN), weight))
    return made


def added(
    made: list[tuple[Step, Weight]], ask: Callable[[RunningMetrics, Step], object]
) -> RunningMetrics:
    """All steps, their outputs overwritten as the loops do it; `ask` may ask between them."""
    running = RunningMetrics(CPU)
    kept: list[tuple[Tensor, Tensor]] = []
    for step, weight in made:
        outputs = step.outputs.clone()
        running.add(step._replace(outputs=outputs), weight)
        kept.append((outputs, step.outputs))
        if step.is_boundary:
            for each, _ in kept:
                each.fill_(float("nan"))
            kept = []
        ask(running, step)
    return running


def nothing(_running: RunningMetrics, _step: Step) -> None:
    """Asks for nothing."""


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block", [1, 4])
def test_the_sums_are_those_of_the_definition(block: int, *, weighted: bool) -> None:
    made = steps(block, weighted=weighted)
    running = added(made, nothing)
    losses = torch.stack([step.loss for step, _ in made]).double()
    weights = torch.tensor([float(weight) for _, weight in made], dtype=torch.float64)
    right = sum(int((step.outputs.argmax(1) == step.labels).sum()) for step, _ in made)
    assert running.accuracy() == right / (STEPS * BATCH)
    assert running.mean_loss() == pytest.approx(float((losses * weights).sum() / weights.sum()))
    recent = weights if weighted else torch.ones(STEPS).double()
    assert running.running_loss() == pytest.approx(float((losses * recent).sum() / recent.sum()))
    assert running.running_loss() == 0.0, "nothing came since"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block", [1, 4])
def test_to_the_last_bit_they_do_not_depend_on_when_they_are_asked_for(
    block: int, *, weighted: bool
) -> None:
    made = steps(block, weighted=weighted)
    expected = added(made, nothing)
    chance = random.Random(block)

    def ask(running: RunningMetrics, step: Step) -> None:
        wanted = chance.choice(["mean_loss", "running_loss", "accuracy", "state", "nothing"])
        if wanted.endswith("_loss") or (wanted != "nothing" and step.is_boundary):
            getattr(running, wanted)()

    found = added(made, ask)
    assert found.mean_loss() == expected.mean_loss()
    assert found.accuracy() == expected.accuracy()


@pytest.mark.parametrize("weighted", [False, True])
def test_a_checkpoint_goes_on_to_the_last_bit(*, weighted: bool) -> None:
    made = steps(4, weighted=weighted)
    expected = added(made, nothing).state()
    first = added(made[:24], nothing)
    resumed: Any = RunningMetrics(CPU)
    resumed.restore(first.state())
    for step, weight in made[24:]:
        resumed.add(step, weight)
    assert all(torch.equal(resumed.state()[name], value) for name, value in expected.items())
