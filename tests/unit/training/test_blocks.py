"""Mini-batches taken a block at a time: the steps of the chain rule, and so those of autograd."""

from collections.abc import Callable, Generator
from itertools import islice
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from app.jobspec import JobSpec, Training
from tests.unit.training.test_backpropagation import (
    ACTIVATIONS,
    HIDDEN,
    LOSSES,
    NETWORKS,
    batches,
    criterion,
    described,
    named,
    network,
)
from worker.training import backpropagation, blocks, dense, loop, optimization
from worker.training.loop import Step

SGD: list[dict[str, object]] = [
    {"momentum": 0.0},
    {"momentum": 0.0, "weight_decay": 0.3},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.3},
]
LENGTH, COUNT = 4, 12
"""Blocks of 4 mini-batches, and 12 mini-batches of which the last is smaller: the third block has
3, and the last one has the smaller one alone."""
BOUNDARIES = [4, 8, 11, 12]


class Trained(NamedTuple):
    """What each step gave, and the numbers at the end."""

    outputs: list[Tensor]
    losses: list[Tensor]
    numbers: list[Tensor]


class Ongoing(NamedTuple):
    """A network in training."""

    net: nn.Sequential
    optimizer: Optimizer
    steps: Generator[Step, None, None]


def begun(
    rule: str,
    spec: JobSpec,
    loss: dict[str, object] = LOSSES[0],
    optimizer: dict[str, object] = SGD[2],
    *,
    count: int = COUNT,
    precision: torch.dtype = torch.float64,
) -> Ongoing:
    net = network(spec).to(precision)
    training = Training.model_validate({"optimizer": {"lr": 0.05} | optimizer})
    made = optimization.optimizer(training, net.parameters())
    torch.manual_seed(7)
    mean_loss = criterion(loss, spec).to(precision)
    given = (
        (images.to(precision), labels)
        for images, labels in batches(count, spec.dataset.facts.classes)
    )
    layers = dense.fully_connected(net, spec.layers)
    if rule == "blocks":
        return Ongoing(net, made, blocks.train(layers, mean_loss, made, given, length=LENGTH))
    return Ongoing(net, made, backpropagation.train(layers, mean_loss, made, given, precision))


def numbers(training: Ongoing) -> list[Tensor]:
    """Parameters and velocities."""
    parameters = list(training.net.parameters())
    states = [training.optimizer.state[parameter] for parameter in parameters]
    velocities = [state["momentum_buffer"] for state in states if "momentum_buffer" in state]
    return [each.detach().clone() for each in [*parameters, *velocities]]


def finished(training: Ongoing) -> Trained:
    """Trains to the end with a rate that changes in each step."""
    outputs, losses = [], []
    for number, step in enumerate(training.steps, 1):
        outputs.append(step.outputs.clone())
        losses.append(step.loss.clone())
        training.optimizer.param_groups[0]["lr"] = 0.05 / (1 + number % 5)
    return Trained(outputs, losses, numbers(training))


def assert_equal(ours: Trained, theirs: Trained, tolerance: float = 1e-10) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert len(mine) == len(other)
        for one, another in zip(mine, other, strict=True):
            torch.testing.assert_close(one, another, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("describe", "loss"), NETWORKS, ids=named)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_the_steps_are_those_of_the_chain_rule(
    hidden: list[int], describe: Callable[..., JobSpec], loss: dict[str, object]
) -> None:
    for activation in ACTIVATIONS:
        spec = describe(hidden, activation)
        assert_equal(
            finished(begun("blocks", spec, loss)), finished(begun("chain_rule", spec, loss))
        )


@pytest.mark.parametrize("optimizer", SGD, ids=str)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_every_kind_of_sgd_takes_the_same_steps(
    hidden: list[int], optimizer: dict[str, object]
) -> None:
    spec = described(hidden, "tanh")
    for loss in LOSSES:
        ours = finished(begun("blocks", spec, loss, optimizer))
        theirs = finished(begun("chain_rule", spec, loss, optimizer))
        assert len(ours.numbers) == 2 * (len(hidden) + 1) * (1 + (optimizer["momentum"] != 0))
        assert_equal(ours, theirs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dropout_silences_the_same_units(activation: str) -> None:
    spec = described([9, 6], activation, 0.4)
    assert_equal(finished(begun("blocks", spec)), finished(begun("chain_rule", spec)))


@pytest.mark.parametrize("optimizer", SGD, ids=str)
def test_single_precision_stays_close(optimizer: dict[str, object]) -> None:
    spec = described([50, 20])
    ours = finished(begun("blocks", spec, LOSSES[0], optimizer, precision=torch.float32))
    theirs = finished(begun("chain_rule", spec, LOSSES[0], optimizer, precision=torch.float32))
    assert_equal(ours, theirs, 2e-5)


def test_the_network_is_that_of_the_newest_step_at_the_end_of_each_block() -> None:
    ours, theirs = (begun(rule, described([9, 6])) for rule in ("blocks", "chain_rule"))
    found = []
    first = ours.net[1].weight
    for number, (mine, _) in enumerate(zip(ours.steps, theirs.steps, strict=True), 1):
        expected = theirs.net[1].weight
        if mine.is_boundary:
            found.append(number)
            assert_equal(Trained([], [], numbers(ours)), Trained([], [], numbers(theirs)))
        else:
            assert mine.block is not None
            assert (first - expected).abs().max() > 1e-6
            seen = mine.block.first_weights(slice(None, None, 2))
            torch.testing.assert_close(seen, expected.detach()[::2], rtol=0, atol=1e-10)
    assert found == BOUNDARIES


@pytest.mark.parametrize("optimizer", SGD, ids=str)
@pytest.mark.parametrize("count", [1, 2, 6, 8])
def test_a_loop_that_is_closed_leaves_the_network_of_its_newest_step(
    count: int, optimizer: dict[str, object]
) -> None:
    trained = []
    for rule in ("blocks", "chain_rule"):
        training = begun(rule, described([9]), LOSSES[0], optimizer)
        list(islice(training.steps, count))
        training.steps.close()
        trained.append(Trained([], [], numbers(training)))
    assert_equal(*trained)


def test_a_fault_within_a_block_leaves_the_network_of_the_newest_step() -> None:
    ours, theirs = (begun(rule, described([9])) for rule in ("blocks", "chain_rule"))
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(ours.steps, 1):
            next(theirs.steps)
            if number == 6:
                ours.steps.throw(KeyboardInterrupt)
    assert_equal(Trained([], [], numbers(ours)), Trained([], [], numbers(theirs)))


def sizes(lengths: list[int], length: int, done: int = 0) -> list[list[int]]:
    given = [(torch.zeros(size, 1), torch.zeros(size)) for size in lengths]
    found = blocks.divided(given, length, done)
    return [[len(labels) for _, labels in block] for block in found]


def test_blocks_begin_at_every_so_many_th_mini_batch() -> None:
    assert sizes([2] * 8, 3) == [[2, 2, 2], [2, 2, 2], [2, 2]]
    assert sizes([2] * 6, 3) == [[2, 2, 2], [2, 2, 2]]
    assert sizes([2] * 7, 3, done=1) == [[2, 2], [2, 2, 2], [2, 2]]
    assert sizes([], 3) == []


def test_a_smaller_mini_batch_begins_a_block() -> None:
    assert sizes([2, 2, 2, 2, 1], 3) == [[2, 2, 2], [2], [1]]
    assert sizes([2, 1, 2, 2, 2, 2], 3) == [[2], [1], [2, 2, 2], [2]]


@pytest.mark.parametrize("optimizer", SGD[2:], ids=str)
def test_each_loop_can_take_a_run_over_from_the_other(optimizer: dict[str, object]) -> None:
    def trained(*rules: str) -> Trained:
        spec, mean_loss = described([9]), criterion(LOSSES[0])
        training = begun("chain_rule", spec, optimizer=optimizer, count=0)
        layers = dense.fully_connected(training.net, spec.layers)
        for rule in rules:
            if rule == "autograd":
                list(loop.train(training.net, mean_loss, training.optimizer, batches(5)))
            else:
                list(blocks.train(layers, mean_loss, training.optimizer, batches(5), length=3))
        return Trained([], [], numbers(training))

    expected = trained("autograd", "autograd")
    assert_equal(trained("autograd", "blocks"), expected)
    assert_equal(trained("blocks", "autograd"), expected)


def test_what_a_step_gives_stays_as_it_is_until_the_block_ends() -> None:
    training = begun("blocks", described([9, 6], "relu", 0.2))
    seen: list[tuple[Step, Tensor, Tensor]] = []
    for step in training.steps:
        seen.append((step, step.outputs.clone(), step.loss.clone()))
        if step.is_boundary:
            for kept, outputs, loss in seen:
                assert torch.equal(kept.outputs, outputs)
                assert torch.equal(kept.loss, loss)
            seen = []
