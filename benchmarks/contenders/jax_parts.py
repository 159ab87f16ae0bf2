"""The network in JAX: one step of training, for the two ways to drive it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import MOMENTUM, RATES, Contest


def initial(contest: Contest) -> Any:
    """Parameters and optimizer state."""
    chance = np.random.default_rng(0)

    def weights(before: int, after: int) -> Any:
        drawn = chance.standard_normal((before, after)) * (2 / before) ** 0.5
        return jnp.asarray(drawn, dtype=jnp.float32)

    parameters = [weights(784, 500), jnp.zeros(500), weights(500, 10), jnp.zeros(10)]

    def zeros() -> list[Any]:
        return [jnp.zeros_like(each) for each in parameters]

    adam = contest.optimizer == "adam"
    return parameters, (zeros(), zeros(), jnp.zeros(())) if adam else zeros()


def loss(parameters: Any, images: Any, labels: Any, precision: str) -> Any:
    low = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    w1, b1, w2, b2 = parameters
    hidden = jax.nn.relu((images.astype(low) @ w1.astype(low)).astype(jnp.float32) + b1)
    logits = (hidden.astype(low) @ w2.astype(low)).astype(jnp.float32) + b2
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
    return -picked.mean()


def step(carry: Any, images: Any, labels: Any, contest: Contest) -> Any:
    parameters, state = carry
    value, gradients = jax.value_and_grad(loss)(parameters, images, labels, contest.precision)
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
