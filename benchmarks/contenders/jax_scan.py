"""JAX with the epoch as one compiled scan over its batches: the peer to beat."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import Contest, serve
from benchmarks.contenders.jax_parts import initial, step

STRETCH = 8192
"""Samples of one scan: long enough to hide its start, short enough for a timed round."""


def contender(contest: Contest) -> Iterator[int]:
    images, labels = (jnp.asarray(array) for array in contest.arrays())
    steps = max(1, STRETCH // contest.batch)

    @partial(jax.jit, donate_argnums=0)
    def stretch(carry: Any, chosen: Any) -> Any:
        def one(held: Any, indices: Any) -> Any:
            return step(held, images[indices], labels[indices], contest)

        return jax.lax.scan(one, carry, chosen)

    chance, carry = np.random.default_rng(0), initial(contest)
    while True:
        order = chance.permutation(len(labels))
        size = steps * contest.batch
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size].reshape(steps, contest.batch)
            carry, losses = stretch(carry, jnp.asarray(chosen))
            jax.block_until_ready(losses)
            yield size


if __name__ == "__main__":
    serve(contender)
