"""How long a job will take: its operations, counted, times the seconds that each kind takes.

The time of a step is modelled as a sum over kinds of operations: a constant for the step, one for
each layer, one for each weight (every update reads and writes all of them), one for each
multiplication. Where mini-batches are taken together, the weights of the first layer are updated
once for all of them, by more multiplications. A worker times a few small networks once, fits the
seconds of each kind, and keeps them: its calibration.
"""

from collections.abc import Sequence
from math import prod

from app.jobspec import JobSpec, blocks
from app.jobspec.layers import BatchNorm, Convolution, Dropout, Layer, Linear, operations

Counts = dict[str, float]
"""How many operations there are of each kind."""
Speed = dict[str, float]
"""Seconds of one operation of each kind, as fitted on one machine."""

SETUP = "setup"
"""The operation that every job has once: start, map the data, test, export."""


def step(spec: JobSpec) -> Counts:
    """The operations of one training step."""
    training, layers = spec.training, list(operations(spec.trained))
    by_hand = spec.has_chain_rule and training.gradient != "autograd"
    by_hand &= spec.resources.workers == 1
    mode = "chain_rule" if by_hand else "autograd"
    batch = min(training.batch_size, spec.dataset.training_images)
    dense, convolved, values, mapped = _forward(spec.trained)
    costly = sum(isinstance(each, Linear | Convolution | BatchNorm | Dropout) for each in layers)
    multiplications, weights = 3.0 * batch * dense, float(spec.parameters)
    together = blocks.length(spec)
    precision = "float32" if together > 1 else training.precision
    if together > 1:
        inputs, units = spec.layer_sizes[:2]
        products = 4 if training.optimizer.momentum else 2
        of_first = products * units + batch * together
        multiplications += batch * inputs * (of_first - 3.0 * units)
        weights -= inputs * units * (1 - 1 / together)
    counts = {
        f"{mode}.step": 1.0,
        f"{mode}.{precision}.layer": float(costly),
        f"{precision}.dense": multiplications,
        f"{precision}.convolution": 3.0 * batch * convolved,
        f"{precision}.weight": weights,
        f"{training.optimizer.name}.step": 1.0,
        f"{training.optimizer.name}.weight": weights,
        "value": batch * values * (1 + (spec.model.dropout > 0)),
        f"{precision}.map": batch * mapped,
    }
    if together > 1:
        counts["blocks.step"] = 1.0
    if spec.model.batch_norm:
        counts["normalized"] = batch * (values + mapped)
    if spec.model.activation in {"sigmoid", "tanh", "gelu"}:
        counts["curved"] = batch * (values + mapped)
    if spec.dataset.augment is not None:
        pixels = prod(spec.dataset.facts.input_shape)
        counts |= {"augment.step": 1.0, "augment.value": float(batch * pixels)}
    return counts


def image(layers: Sequence[Layer]) -> Counts:
    """The operations of one image in an evaluation by these layers, in float32."""
    dense, convolved, values, mapped = _forward(layers)
    return {
        "float32.dense": dense,
        "float32.convolution": convolved,
        "value": values / 2,
        "float32.map": mapped / 2,
    }


def seconds(counts: Counts, speed: Speed) -> float:
    """The time that the operations take together."""
    return sum(count * speed.get(kind, 0.0) for kind, count in counts.items())


def estimate(spec: JobSpec, speed: Speed) -> float:
    """Seconds from a job's start to its published model, on one thread."""
    dataset, test_images = spec.dataset, spec.dataset.facts.test_images
    trained = spec.steps * seconds(step(spec), speed)
    evaluations = dataset.validation_images * spec.training.epochs + test_images
    evaluated = evaluations * seconds(image(spec.trained), speed)
    images = dataset.training_images + dataset.validation_images + test_images
    seen_once = images * seconds(image(spec.frozen), speed)
    return trained + evaluated + seen_once + speed.get(SETUP, 0.0)


def _forward(layers: Sequence[Layer]) -> tuple[float, float, float, float]:
    """For one image: multiplications in dense layers and in convolutions; values that go into and
    come out of dense layers; values that come out of convolutions."""
    linear = [layer for layer in layers if isinstance(layer, Linear)]
    convolutions = [each for each in operations(layers) if isinstance(each, Convolution)]
    dense = sum(layer.multiplications for layer in linear)
    convolved = sum(layer.multiplications for layer in convolutions)
    mapped = sum(prod(layer.outputs) for layer in convolutions)
    values = sum(each.inputs[0] for each in linear[:1]) + sum(each.outputs[0] for each in linear)
    return float(dense), float(convolved), float(values), float(mapped)
