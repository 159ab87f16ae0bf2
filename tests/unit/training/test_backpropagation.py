"""The chain rule written out: equal to autograd, to finite differences, and to the loop's bits."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from app.jobspec import DatasetFacts, JobSpec, Loss, Training
from worker.training import (
    backpropagation,
    dense,
    descent,
    loop,
    losses,
    networks,
    optimization,
    products,
)

ACTIVATIONS = ["relu", "sigmoid", "tanh", "gelu", "leaky_relu", "none"]
HIDDEN: list[list[int]] = [[], [7], [9, 6], [8, 7, 6, 5]]
LOSSES = [
    {"name": "cross_entropy"},
    {"name": "cross_entropy", "label_smoothing": 0.2},
    {"name": "cross_entropy", "class_weights": [0.5, 1, 2, 1, 1, 3, 1, 1, 0, 1]},
    {"name": "cross_entropy", "class_weights": "balanced", "label_smoothing": 0.1},
    {"name": "mse"},
]
OPTIMIZERS = [
    {"name": "sgd", "momentum": 0.0},
    {"name": "sgd", "momentum": 0.0, "weight_decay": 0.01},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "adam"},
    {"name": "adamw", "weight_decay": 0.01},
    {"name": "rmsprop", "momentum": 0.5},
    {"name": "adagrad"},
]


ONE_UNIT_LOSSES = [
    {"name": "cross_entropy"},
    {"name": "cross_entropy", "class_weights": [0.5, 2]},
    {"name": "cross_entropy", "class_weights": "balanced", "label_smoothing": 0.1},
    {"name": "mse"},
]
PAIR = DatasetFacts(input_shape=(1, 8, 8), classes=2, train_images=100, test_images=20)
"""A dataset of two classes."""


def one_unit(hidden: list[int], activation: str) -> JobSpec:
    """A network that ends in one sigmoid unit."""
    model: dict[str, object] = {"hidden": hidden, "output": "sigmoid"}
    if hidden:
        model["activation"] = activation
    fields = {"dataset": {"name": "pair"}, "model": model}
    return JobSpec.model_validate(fields, context={"pair": PAIR})


def described(hidden: list[int], activation: str = "relu", dropout: float = 0.0) -> JobSpec:
    model: dict[str, object] = {"hidden": hidden, "dropout": dropout}
    if hidden:
        model["activation"] = activation
    return JobSpec.model_validate({"dataset": {"name": "digits"}, "model": model})


def named(value: object) -> str:
    """The same in every process, which a function's own text is not."""
    return getattr(value, "__name__", str(value))


def network(spec: JobSpec) -> nn.Sequential:
    torch.manual_seed(3)
    return networks.build(spec).double()


def batches(count: int = 3, classes: int = 10) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of 16 images; the last has 5, as the last of an epoch may."""
    generator = torch.Generator().manual_seed(5)
    for number in range(count):
        size = 16 if number < count - 1 else 5
        images = torch.randn(size, 1, 8, 8, dtype=torch.float64, generator=generator)
        yield images, torch.randint(classes, (size,), generator=generator)


def criterion(loss: dict[str, object], spec: JobSpec | None = None) -> nn.Module:
    spec = spec or JobSpec()
    counts = torch.tensor([5, 1, 9, 3, 3, 7, 2, 8, 4, 6])[: spec.dataset.facts.classes]
    return losses.criterion(Loss.model_validate(loss), counts, spec.model.output).double()


def trained(
    rule: str, spec: JobSpec, loss: dict[str, object], training: dict[str, object]
) -> list[Tensor]:
    """The parameters after three steps, and the losses."""
    net = network(spec)
    made = optimization.optimizer(Training.model_validate(training), net.parameters())
    torch.manual_seed(7)
    mean_loss, given = criterion(loss, spec), batches(classes=spec.dataset.facts.classes)
    if rule == "autograd":
        steps = loop.train(net, mean_loss, made, given)
    else:
        layers = dense.fully_connected(net, spec.layers)
        steps = backpropagation.train(layers, mean_loss, made, given, torch.float64)
    losses = [step.loss.clone() for step in steps]
    return [*losses, *(parameter.detach() for parameter in net.parameters())]


NETWORKS = [(described, loss) for loss in LOSSES] + [(one_unit, loss) for loss in ONE_UNIT_LOSSES]
"""What describes a network, and the loss that it is trained with."""


@pytest.mark.parametrize(("describe", "loss"), NETWORKS, ids=named)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_steps_are_those_of_autograd(
    activation: str,
    hidden: list[int],
    describe: Callable[..., JobSpec],
    loss: dict[str, object],
) -> None:
    """Plain gradient descent: the weights differ by the gradients, times the rate."""
    training = {"optimizer": {"lr": 0.1, "momentum": 0.0}}
    expected = trained("autograd", describe(hidden, activation), loss, training)
    got = trained("chain_rule", describe(hidden, activation), loss, training)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["cross_entropy", "mse"])
def test_one_sigmoid_unit_has_the_textbook_s_loss(name: str) -> None:
    """Of y = sigmoid z and t = 0 or 1: -t ln y - (1 - t) ln (1 - y), and (y - t)^2."""
    spec = one_unit([6], "sigmoid")
    net, (images, labels) = network(spec), next(batches(classes=2))
    assert [tuple(each.shape) for each in net.parameters()] == [(6, 64), (6,), (1, 6), (1,)]
    hidden = (images.flatten(1) @ net[1].weight.T + net[1].bias).sigmoid()
    y = (hidden @ net[3].weight.T + net[3].bias).sigmoid().squeeze(1)
    t = labels.double()
    by_hand = {
        "cross_entropy": -(t * y.log() + (1 - t) * (1 - y).log()).mean(),
        "mse": (y - t).square().mean(),
    }
    outputs = net(images)
    torch.testing.assert_close(outputs.softmax(1)[:, 1], y)
    torch.testing.assert_close(criterion({"name": name}, spec)(outputs, labels), by_hand[name])


@pytest.mark.parametrize("clipping", [None, 0.05])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_optimizer_takes_the_same_steps(
    optimizer: dict[str, object], clipping: float | None
) -> None:
    training = {"optimizer": {"lr": 0.01} | optimizer, "gradient_clipping": clipping}
    expected = trained("autograd", described([9, 6], "tanh"), LOSSES[0], training)
    got = trained("chain_rule", described([9, 6], "tanh"), LOSSES[0], training)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_weights_that_move_a_block_of_rows_at_a_time_take_the_same_steps(
    optimizer: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # of 64 x 11 weights: blocks of 6 and 5 rows
    monkeypatch.setitem(descent.TOGETHER, products.library(), 300)
    training = {"optimizer": {"lr": 0.01} | optimizer}
    expected = trained("autograd", described([11, 6], "tanh"), LOSSES[0], training)
    got = trained("chain_rule", described([11, 6], "tanh"), LOSSES[0], training)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dropout_silences_the_same_units(activation: str) -> None:
    training = {"optimizer": {"lr": 0.1}}
    expected = trained("autograd", described([9, 6], activation, 0.4), LOSSES[0], training)
    got = trained("chain_rule", described([9, 6], activation, 0.4), LOSSES[0], training)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("describe", "loss"), NETWORKS, ids=named)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gelu", "none"])
def test_the_gradients_are_those_of_finite_differences(
    activation: str, describe: Callable[..., JobSpec], loss: dict[str, object]
) -> None:
    """(L(w + h) - L(w - h)) / 2h, at every tenth weight; the rectifiers have kinks."""
    described_net = describe([6, 5], activation)
    images, labels = next(batches(classes=described_net.dataset.facts.classes))
    net, mean_loss = network(described_net), criterion(loss, described_net)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    spec = Training.model_validate({"optimizer": {"lr": 1.0, "momentum": 0.0}})
    made = optimization.optimizer(spec, net.parameters())
    layers = dense.fully_connected(net, described_net.layers)
    list(backpropagation.train(layers, mean_loss, made, [(images, labels)], torch.float64))
    gradients = [old - new.detach() for old, new in zip(before, net.parameters(), strict=True)]
    h = 1e-6
    with torch.no_grad():
        for parameter, old, gradient in zip(net.parameters(), before, gradients, strict=True):
            for each, value in zip(net.parameters(), before, strict=True):
                each.copy_(value)
            for index in range(0, old.numel(), 10):
                losses = []
                for shift in (h, -h):
                    parameter.view(-1)[index] = old.view(-1)[index] + shift
                    losses.append(mean_loss(net(images), labels).item())
                parameter.view(-1)[index] = old.view(-1)[index]
                numeric = (losses[0] - losses[1]) / (2 * h)
                assert gradient.view(-1)[index].item() == pytest.approx(numeric, abs=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_each_loop_can_take_a_run_over_from_the_other(optimizer: dict[str, object]) -> None:
    def steps(*rules: str) -> list[Tensor]:
        net = network(described([9]))
        layers = dense.fully_connected(net, described([9]).layers)
        spec = Training.model_validate({"optimizer": {"lr": 0.01} | optimizer})
        made = optimization.optimizer(spec, net.parameters())
        for rule in rules:
            mean_loss = criterion(LOSSES[0])
            if rule == "autograd":
                list(loop.train(net, mean_loss, made, batches()))
            else:
                list(backpropagation.train(layers, mean_loss, made, batches(), torch.float64))
        return [parameter.detach() for parameter in net.parameters()]

    expected = steps("autograd", "autograd")
    for rules in (("autograd", "chain_rule"), ("chain_rule", "autograd")):
        for ours, theirs in zip(steps(*rules), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_a_network_that_is_not_fully_connected_is_refused() -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}, "model": {"kind": "cnn"}})
    with pytest.raises(TypeError, match="Convolution"):
        dense.fully_connected(networks.build(spec), spec.layers)
