"""JAX with each step compiled, driven from Python."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import Contest, serve
from benchmarks.contenders.jax_parts import initial, step


def contender(contest: Contest) -> Iterator[int]:
    images, labels = (jnp.asarray(array) for array in contest.arrays())

    @partial(jax.jit, donate_argnums=0)
    def compiled(carry: Any, indices: Any) -> Any:
        return step(carry, images[indices], labels[indices], contest)

    chance, carry = np.random.default_rng(0), initial(contest)
    while True:
        order = chance.permutation(len(labels))
        for start in range(0, len(order) - contest.batch + 1, contest.batch):
            carry, value = compiled(carry, order[start : start + contest.batch])
            jax.block_until_ready(value)
            yield contest.batch


if __name__ == "__main__":
    serve(contender)
