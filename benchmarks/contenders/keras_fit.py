"""Keras 3 on JAX, trained with `fit`."""

import os
from collections.abc import Iterator

os.environ["KERAS_BACKEND"] = "jax"

import keras

from benchmarks.contenders import MOMENTUM, RATES, Contest, serve

STRETCH = 16_384


def network(contest: Contest) -> keras.Model:
    layers = keras.layers
    hidden = [layers.Dense(500, activation="relu")]
    if contest.network == "cnn":
        hidden = [layers.Reshape((28, 28, 1))]
        for channels in (16, 32):
            hidden += [layers.Conv2D(channels, 5, padding="same"), layers.BatchNormalization()]
            hidden += [layers.ReLU(), layers.MaxPooling2D(2)]
        hidden += [layers.Flatten(), layers.Dense(128), layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10, dtype="float32")])


def contender(contest: Contest) -> Iterator[int]:
    images, labels = contest.arrays()
    if contest.precision == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = network(contest)
    rate = RATES[contest.optimizer]
    descent = (
        keras.optimizers.Adam(rate)
        if contest.optimizer == "adam"
        else keras.optimizers.SGD(rate, momentum=MOMENTUM)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=descent, loss=loss, metrics=["accuracy"])
    size = STRETCH if contest.batch > 4 and contest.network == "mlp" else STRETCH // 4
    while True:
        model.fit(images[:size], labels[:size], batch_size=contest.batch, epochs=1, verbose=0)
        yield size


if __name__ == "__main__":
    serve(contender)
