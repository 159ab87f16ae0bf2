"""How long a job will take: countable work, times what a worker's calibration has measured.

A step's time is modelled as a sum of parts: a constant, one a layer, one a weight (memory is
walked through for every product and update), and one a multiplication of dense layers and of
convolutions. A worker measures a few small networks, fits the seconds of each part, and keeps them.
"""

from itertools import pairwise

from app.jobspec import JobSpec

Features = dict[str, float]
"""How often each part of the model occurs."""
Speed = dict[str, float]
"""Seconds of each part, as fitted on one machine."""

SETUP = "setup"
"""The part that every job has once: starting, mapping its data, testing, exporting."""


def step(spec: JobSpec) -> Features:
    """The parts of one training step."""
    training, model = spec.training, spec.model
    by_hand = model.kind == "mlp" and not model.batch_norm and training.gradient != "autograd"
    mode = "chain_rule" if by_hand else "autograd"
    batch = min(training.batch_size, spec.dataset.training_images)
    dense, convolved, values, mapped = _forward(spec)
    layers = len(spec.layer_sizes) - 1 + len(model.channels or [])
    extras = layers * (model.batch_norm + (model.dropout > 0))
    parts = {
        f"{mode}.step": 1.0,
        f"{mode}.{training.precision}.layer": float(layers + extras),
        f"{training.precision}.dense": 3.0 * batch * dense,
        f"{training.precision}.convolution": 3.0 * batch * convolved,
        f"{training.precision}.weight": float(spec.parameters),
        f"{training.optimizer.name}.step": 1.0,
        f"{training.optimizer.name}.weight": float(spec.parameters),
        "value": batch * values * (1 + (model.dropout > 0)),
        f"{training.precision}.map": batch * mapped,
    }
    if model.batch_norm:
        parts["normalized"] = batch * (values + mapped)
    if model.activation in {"sigmoid", "tanh", "gelu"}:
        parts["curved"] = batch * (values + mapped)
    if spec.dataset.augment is not None:
        channels, rows, columns = spec.dataset.facts.input_shape
        parts |= {"augment.step": 1.0, "augment.value": float(batch * channels * rows * columns)}
    return parts


def image(spec: JobSpec) -> Features:
    """The parts of looking at one image in an evaluation, in float32."""
    dense, convolved, values, mapped = _forward(spec)
    return {
        "float32.dense": dense,
        "float32.convolution": convolved,
        "value": values / 2,
        "float32.map": mapped / 2,
    }


def seconds(features: Features, speed: Speed) -> float:
    """The time that the parts take together."""
    return sum(count * speed.get(part, 0.0) for part, count in features.items())


def estimate(spec: JobSpec, speed: Speed) -> float:
    """Seconds from a job's start to its published model, on one thread."""
    evaluated = spec.dataset.validation_images * spec.training.epochs
    evaluated += spec.dataset.facts.test_images
    trained = spec.steps * seconds(step(spec), speed)
    return trained + evaluated * seconds(image(spec), speed) + speed.get(SETUP, 0.0)


def _forward(spec: JobSpec) -> tuple[float, float, float, float]:
    """For one image: multiplications in dense layers and convolutions, values made by each."""
    shapes = spec.model.feature_shapes(spec.dataset.facts.input_shape)
    window = (spec.model.kernel or 0) ** 2
    dense = sum(before * after for before, after in pairwise(spec.layer_sizes))
    convolved, mapped = 0, 0
    for (before, rows, columns), (after, _, _) in pairwise(shapes):
        convolved += before * after * window * rows * columns
        mapped += after * rows * columns
    return float(dense), float(convolved), float(sum(spec.layer_sizes)), float(mapped)
