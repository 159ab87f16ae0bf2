"""The chain rule in NumPy, as a textbook's exercise has it."""

from collections.abc import Iterator

import numpy as np

from benchmarks.contenders import MOMENTUM, RATES, Contest, serve


def contender(contest: Contest) -> Iterator[int]:
    images, labels = contest.arrays()
    chance = np.random.default_rng(0)
    w1 = chance.standard_normal((784, 500), dtype=np.float32) * np.float32((2 / 784) ** 0.5)
    w2 = chance.standard_normal((500, 10), dtype=np.float32) * np.float32((2 / 500) ** 0.5)
    parameters = [w1, np.zeros(500, np.float32), w2, np.zeros(10, np.float32)]
    first = [np.zeros_like(each) for each in parameters]
    second = [np.zeros_like(each) for each in parameters]
    rate, count = RATES[contest.optimizer], 0
    while True:
        order = chance.permutation(len(labels))
        for start in range(0, len(order), contest.batch):
            chosen = order[start : start + contest.batch]
            x, y = images[chosen], labels[chosen]
            w1, b1, w2, b2 = parameters
            hidden = np.maximum(x @ w1 + b1, 0)
            logits = hidden @ w2 + b2
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(y)), y] -= 1
            p /= len(y)
            error = (p @ w2.T) * (hidden > 0)
            gradients = [x.T @ error, error.sum(0), hidden.T @ p, p.sum(0)]
            count += 1
            scale = rate * (1 - 0.999**count) ** 0.5 / (1 - 0.9**count)
            for w, g, m, v in zip(parameters, gradients, first, second, strict=True):
                if contest.optimizer == "adam":
                    m += np.float32(0.1) * (g - m)
                    v += np.float32(0.001) * (g * g - v)
                    w -= np.float32(scale) * m / (np.sqrt(v) + np.float32(1e-8))
                else:
                    m *= np.float32(MOMENTUM)
                    m += g
                    w -= np.float32(rate) * m
            yield len(chosen)


if __name__ == "__main__":
    serve(contender)
