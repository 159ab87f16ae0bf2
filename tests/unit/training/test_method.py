"""Which precision a step's products have, and that bfloat16 trains as autograd does with it."""

from typing import Any

import pytest
import torch

from app.jobspec import JobSpec, Loss, Optimizer, Training
from tests.unit.training.test_backpropagation import described
from worker.training import (
    backpropagation,
    dense,
    loop,
    losses,
    method,
    networks,
    optimization,
    products,
)
from worker.training.environment import changes

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def spec(**fields: Any) -> JobSpec:
    return JobSpec.model_validate({"training": {"precision": "bfloat16"}} | fields)


@pytest.mark.parametrize("is_sooner", [True, False])
def test_only_where_it_is_sooner_bfloat16_is_multiplied_by_hand(
    monkeypatch: pytest.MonkeyPatch, *, is_sooner: bool
) -> None:
    asked = []
    monkeypatch.setattr(
        products, "bfloat16_is_faster", lambda *about: asked.append(about) or is_sooner
    )
    large = spec(training={"precision": "bfloat16", "batch_size": 64})
    assert method.precision(large, CPU) == (torch.bfloat16 if is_sooner else torch.float32)
    assert asked == [(64, 397_510)]
    assert method.precision(spec(model={"kind": "cnn"}), CPU) == torch.bfloat16
    assert method.precision(spec(), GPU) == torch.bfloat16
    assert method.precision(JobSpec(), CPU) == torch.float32


def test_blocks_of_small_mini_batches_are_float32_also_where_bfloat16_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "bfloat16_is_faster", lambda *_: True)
    assert method.block(spec(), CPU) == 32
    assert method.precision(spec(), CPU) == torch.float32
    adam = spec(training={"precision": "bfloat16", "optimizer": {"name": "adam"}})
    assert (method.block(adam, CPU), method.precision(adam, CPU)) == (1, torch.bfloat16)


@pytest.mark.parametrize(
    ("library", "expected"),
    [("default", {8: 16, 9: 14, 16: 8, 17: 1}), ("oneDNN", {8: 16, 9: 1, 16: 1, 17: 1})],
)
def test_with_onednn_single_steps_with_momentum_pay_sooner(
    library: str, expected: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "library", lambda: library)
    found = {size: method.block(of_size(size, 0.9), CPU) for size in expected}
    assert found == expected
    assert method.block(of_size(16, 0.9), GPU) == 1
    assert method.block(of_size(16, 0.0), CPU) == 8


def of_size(batch: int, momentum: float) -> JobSpec:
    optimizer = {"name": "sgd", "momentum": momentum}
    return spec(training={"batch_size": batch, "optimizer": optimizer})


def test_a_checkpoint_that_does_not_tell_its_products_had_those_of_the_specification() -> None:
    told = {"device": "cpu", "block": 1}
    assert changes({"device": "cpu"}, told | {"products": "bfloat16"}, spec()) == []
    found = changes({"device": "cpu"}, told | {"products": "float32"}, spec())
    assert found == ["products was bfloat16, is float32"]


@pytest.mark.parametrize("batch", [4, 32])
@pytest.mark.parametrize("rule", [{"name": "sgd", "momentum": 0.9}, {"name": "adam"}])
def test_bfloat16_by_hand_stays_close_to_autograd_with_it(rule: dict[str, Any], batch: int) -> None:
    one = described([40, 20])
    training = Training(optimizer=Optimizer.model_validate(rule | {"lr": 0.01}))
    generator = torch.Generator().manual_seed(1)
    drawn = [
        (torch.randn(batch, 1, 8, 8, generator=generator), torch.arange(batch) % 10)
        for _ in range(20)
    ]
    criterion = losses.criterion(Loss(), torch.ones(10))
    found = {}
    for by_hand in (torch.bfloat16, torch.float32, None):
        torch.manual_seed(3)
        net = networks.build(one)
        descent = optimization.optimizer(training, net.parameters())
        if by_hand is not None:
            layers = dense.fully_connected(net, one.layers)
            steps = backpropagation.train(layers, criterion, descent, drawn, by_hand)
        else:
            steps = loop.train(networks.Bfloat16(net), criterion, descent, drawn)
        found[by_hand] = [step.loss.item() for step in steps]
    assert found[torch.bfloat16] == pytest.approx(found[None], rel=0.02)
    assert found[torch.bfloat16] != found[torch.float32]
    assert found[None][-1] < 0.95 * found[None][0]
