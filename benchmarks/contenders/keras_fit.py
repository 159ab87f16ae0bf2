"""Keras 3 on JAX, trained with `fit`."""

import os
from collections.abc import Iterator

os.environ["KERAS_BACKEND"] = "jax"

import keras

from benchmarks.contenders import MOMENTUM, RATES, Contest, serve

STRETCH = 16_384


def contender(contest: Contest) -> Iterator[int]:
    images, labels = contest.arrays()
    if contest.precision == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(500, activation="relu"),
            keras.layers.Dense(10, dtype="float32"),
        ]
    )
    rate = RATES[contest.optimizer]
    descent = (
        keras.optimizers.Adam(rate)
        if contest.optimizer == "adam"
        else keras.optimizers.SGD(rate, momentum=MOMENTUM)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=descent, loss=loss, metrics=["accuracy"])
    size = STRETCH if contest.batch > 4 else STRETCH // 4
    while True:
        model.fit(images[:size], labels[:size], batch_size=contest.batch, epochs=1, verbose=0)
        yield size


if __name__ == "__main__":
    serve(contender)
