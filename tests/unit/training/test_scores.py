"""Measures by what the task is, and what early stopping makes of them."""

import numpy as np
import pytest
from pydantic import ValidationError

from app.jobspec import BUILT_IN_DATASETS, DatasetFacts, JobSpec
from tests.unit.training.runs import of, run
from worker import datasets
from worker.messages import Epoch
from worker.training.dataset import load
from worker.training.scores import score, scores

LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8]], np.float32)


def test_two_classes_have_the_measures_of_two() -> None:
    found = scores(LABELS, PROBABILITIES)
    right = [0.9, 0.6, 0.3, 0.6, 0.8]
    assert found == {
        "balanced_accuracy": pytest.approx((2 / 3 + 1) / 2),
        "log_loss": pytest.approx(-np.log(right).mean(), abs=1e-6),
        "roc_auc": pytest.approx(5 / 6),  # pairs that are in order
        "average_precision": pytest.approx((1 + 2 / 3) / 2),  # precision at each positive
    }


def test_many_classes_count_the_first_five() -> None:
    chance = np.random.default_rng(1)
    probabilities = chance.dirichlet(np.ones(21), 200).astype(np.float32)
    labels = chance.integers(21, size=200)
    first = np.argsort(-probabilities, axis=1)[:, :5]
    found = scores(labels, probabilities)
    assert set(found) == {"balanced_accuracy", "log_loss", "top_5_accuracy"}
    assert found["top_5_accuracy"] == pytest.approx((first == labels[:, None]).any(1).mean())
    assert "top_5_accuracy" not in scores(labels % 20, probabilities[:, :20])


def test_classes_that_nobody_has_or_everybody_is_said_to_be_are_no_trouble() -> None:
    ones = np.ones(5, np.int64)
    assert score("roc_auc", ones, PROBABILITIES) is None
    assert score("average_precision", ones, PROBABILITIES) is None
    assert score("balanced_accuracy", ones, PROBABILITIES) == pytest.approx(3 / 5)
    certain = np.tile(np.array([[1, 0]], np.float32), (5, 1))
    assert np.isfinite(scores(LABELS, certain)["log_loss"])


STOPPING = [
    "validation_balanced_accuracy",
    "validation_log_loss",
    "validation_roc_auc",
    "validation_average_precision",
]


@pytest.mark.parametrize("metric", STOPPING)
def test_early_stopping_keeps_the_weights_of_the_best_epoch(
    tmp_path_factory: pytest.TempPathFactory, metric: str
) -> None:
    """Of a network that gets better for some epochs."""
    home = tmp_path_factory.mktemp("home")
    datasets.decode("breast-cancer", home, None)
    cancer = load(home / "breast-cancer", BUILT_IN_DATASETS["breast-cancer"])
    fields = {
        "dataset": {"name": "breast-cancer", "validation_fraction": 0.3},
        "model": {"hidden": [8]},
        "training": {
            "epochs": 40,
            "batch_size": 32,
            "optimizer": {"lr": 0.0005},
            "early_stopping": {"metric": metric, "patience": 3},
        },
    }
    finished, reports = run(JobSpec.model_validate(fields), cancer)
    curve = [each.metrics[metric] for each in of(Epoch, reports)]
    assert len(set(curve)) > 3
    best = min(curve) if metric.endswith("loss") else max(curve)
    assert curve[0] != best
    assert finished.metrics[metric] == pytest.approx(best)
    assert {name for name in finished.metrics if name.startswith("test_")} >= {
        "test_balanced_accuracy",
        "test_log_loss",
        "test_roc_auc",
        "test_average_precision",
    }


@pytest.mark.parametrize(
    ("metric", "classes", "fits"),
    [
        ("validation_roc_auc", 2, True),
        ("validation_roc_auc", 3, False),
        ("validation_average_precision", 3, False),
        ("validation_top_5_accuracy", 20, False),
        ("validation_top_5_accuracy", 21, True),
        ("validation_log_loss", 3, True),
    ],
)
def test_a_measure_that_says_nothing_is_refused(metric: str, classes: int, fits: bool) -> None:
    facts = DatasetFacts(input_shape=(1, 8, 8), classes=classes, train_images=100, test_images=20)
    fields = {
        "dataset": {"name": "own"},
        "training": {"early_stopping": {"metric": metric}},
    }
    if fits:
        JobSpec.model_validate(fields, context={"own": facts})
        return
    with pytest.raises(ValidationError, match="classes, and the dataset has") as refusal:
        JobSpec.model_validate(fields, context={"own": facts})
    assert refusal.value.errors()[0]["ctx"]["field"] == "training.early_stopping.metric"
