"""The network in JAX: one step of training, for the two ways to drive it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import MOMENTUM, RATES, Contest


def initial(contest: Contest) -> Any:
    """Parameters and optimizer state."""
    chance = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        drawn = chance.standard_normal(shape) * (2 / np.prod(shape[:-1])) ** 0.5
        return jnp.asarray(drawn, dtype=jnp.float32)

    parameters = [weights(784, 500), jnp.zeros(500), weights(500, 10), jnp.zeros(10)]
    if contest.network == "cnn":
        parameters = []
        for shape in ((5, 5, 1, 16), (5, 5, 16, 32), (1568, 128)):
            parameters += [weights(*shape), jnp.ones(shape[-1]), jnp.zeros(shape[-1])]
        parameters += [weights(128, 10), jnp.zeros(10)]

    def zeros() -> list[Any]:
        return [jnp.zeros_like(each) for each in parameters]

    adam = contest.optimizer == "adam"
    return parameters, (zeros(), zeros(), jnp.zeros(())) if adam else zeros()


def loss(parameters: Any, images: Any, labels: Any, contest: Contest) -> Any:
    low = jnp.bfloat16 if contest.precision == "bfloat16" else jnp.float32
    *before, w2, b2 = parameters
    if contest.network == "cnn":
        hidden = convolved(before, images, low)
    else:
        w1, b1 = before
        hidden = jax.nn.relu((images.astype(low) @ w1.astype(low)).astype(jnp.float32) + b1)
    logits = (hidden.astype(low) @ w2.astype(low)).astype(jnp.float32) + b2
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
    return -picked.mean()


def convolved(parameters: Any, images: Any, low: Any) -> Any:
    """(B, 784) to (B, 128). What normalizes is that of the batch; no running means are kept."""
    w1, scale1, shift1, w2, scale2, shift2, w3, scale3, shift3 = parameters
    hidden = images.reshape(-1, 28, 28, 1)
    for weights, scale, shift in ((w1, scale1, shift1), (w2, scale2, shift2)):
        maps = jax.lax.conv_general_dilated(
            hidden.astype(low),
            weights.astype(low),
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ).astype(jnp.float32)
        hidden = jax.nn.relu(normalized(maps, scale, shift, (0, 1, 2)))
        square = (1, 2, 2, 1)
        hidden = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, square, square, "VALID")
    flat = hidden.reshape(len(images), -1)
    units = (flat.astype(low) @ w3.astype(low)).astype(jnp.float32)
    return jax.nn.relu(normalized(units, scale3, shift3, (0,)))


def normalized(signal: Any, scale: Any, shift: Any, axes: tuple[int, ...]) -> Any:
    mean, variance = signal.mean(axes), signal.var(axes)
    return (signal - mean) * (scale / jnp.sqrt(variance + 1e-5)) + shift


def step(carry: Any, images: Any, labels: Any, contest: Contest) -> Any:
    parameters, state = carry
    value, gradients = jax.value_and_grad(loss)(parameters, images, labels, contest)
    rate = RATES[contest.optimizer]
    if contest.optimizer == "adam":
        first, second, count = state
        count = count + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        scale = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        moved = zip(parameters, first, second, strict=True)
        parameters = [p - scale * m / (jnp.sqrt(v) + 1e-8) for p, m, v in moved]
        return (parameters, (first, second, count)), value
    state = [MOMENTUM * v + g for v, g in zip(state, gradients, strict=True)]
    parameters = [p - rate * v for p, v in zip(parameters, state, strict=True)]
    return (parameters, state), value
