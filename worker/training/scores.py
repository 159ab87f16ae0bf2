"""How good probabilities are, by what the task is: scikit-learn's measures under their own names.

Of two classes the second counts as the positive one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from app.jobspec.training import Score, is_defined

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]


def _top_5(labels: Labels, probabilities: Probabilities) -> float:
    every = np.arange(probabilities.shape[1])
    return float(top_k_accuracy_score(labels, probabilities, k=5, labels=every))


MEASURES: dict[Score, Callable[[Labels, Probabilities], Any]] = {
    "balanced_accuracy": lambda y, p: recall_score(
        y, p.argmax(1), labels=np.unique(y), average="macro", zero_division=0
    ),
    "log_loss": lambda y, p: log_loss(y, p, labels=np.arange(p.shape[1])),
    "roc_auc": lambda y, p: roc_auc_score(y, p[:, 1]),
    "average_precision": lambda y, p: average_precision_score(y, p[:, 1]),
    "top_5_accuracy": _top_5,
}


def score(name: Score, labels: Labels, probabilities: NDArray[np.float32]) -> float | None:
    """One measure of probabilities (N, classes) against labels (N,).

    None where it is not defined: of two classes only one has examples.
    """
    if name in ("roc_auc", "average_precision") and len(np.unique(labels)) < 2:
        return None
    exact = probabilities.astype(np.float64)
    # scikit-learn warns of float32 probabilities, whose sum is not quite 1
    exact /= exact.sum(1, keepdims=True)
    return float(MEASURES[name](labels, exact))


def scores(labels: Labels, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """All measures that are defined for these classes and labels."""
    defined = [name for name in MEASURES if is_defined(name, probabilities.shape[1])]
    found = {name: score(name, labels, probabilities) for name in defined}
    return {name: value for name, value in found.items() if value is not None}
