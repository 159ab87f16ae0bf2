"""The report of a test set: by hand where it is small, else by scikit-learn and SciPy."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from tests.unit.training.runs import digits_spec, run
from worker.training.dataset import Dataset, Description
from worker.training.report import BINS, WORST_MISTAKES, predictions, report

SHAPES: list[tuple[int, int, int]] = [(1, 4, 5), (3, 4, 5), (2, 4, 5)]


def described(
    classes: int, shape: tuple[int, int, int] = (1, 2, 2), highest: int = 16
) -> Description:
    names = [f"class {number}" for number in range(classes)]
    return Description("made up", shape, names, (0, highest), [0.5], [0.25], "")


def certain(predicted: list[int], classes: int, confidence: float = 0.75) -> Any:
    """Probabilities of a network that answers this, with this confidence."""
    rest = (1 - confidence) / (classes - 1)
    rows = np.full((len(predicted), classes), rest, np.float32)
    rows[np.arange(len(predicted)), predicted] = confidence
    return rows


def reported(labels: list[int], predicted: list[int], classes: int, **more: Any) -> dict[str, Any]:
    images = np.zeros((len(labels), 1, 2, 2), np.uint8)
    probabilities = certain(predicted, classes, **more)
    return report(np.array(labels), probabilities, images, described(classes))


@pytest.fixture(scope="module")
def noisy() -> tuple[Any, Any]:
    """Labels and answers of seven unequal classes; about half the answers are right."""
    chance = np.random.default_rng(7)
    labels = np.minimum(chance.geometric(0.4, 3000) - 1, 6)
    logits = chance.normal(size=(3000, 7)) * 2 + 2 * np.eye(7)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return labels, probabilities.astype(np.float32)


@pytest.fixture(scope="module")
def noisy_report(noisy: tuple[Any, Any]) -> dict[str, Any]:
    return report(*noisy, np.zeros((3000, 1, 2, 2), np.uint8), described(7))


def test_the_measures_of_a_case_by_hand() -> None:
    """Class 0: 2 of 3 found, none wrongly. Class 1: both found, and one of class 0 taken for it."""
    found = reported([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], 2)
    assert found["images"] == 5
    assert found["accuracy"]["value"] == 0.8
    first, second = found["classes"]
    assert (first["label"], first["images"]) == ("class 0", 3)
    assert (first["precision"], first["recall"]) == (1.0, pytest.approx(2 / 3))
    assert first["f1"] == pytest.approx(0.8)
    assert (second["precision"], second["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert found["macro"]["precision"] == pytest.approx(5 / 6)
    assert found["confusion_matrix"] == [[2, 1], [0, 2]]
    (mistake,) = found["worst_mistakes"]
    assert mistake["index"] == 2
    assert (mistake["label"], mistake["predicted"]) == ("class 0", "class 1")
    assert mistake["confidence"] == 0.75


def test_the_interval_is_wilsons() -> None:
    """Wilson 1927: (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)."""
    found = reported([0] * 40, [0] * 36 + [1] * 4, 2)["accuracy"]
    z, n, p = norm.ppf(0.975), 40, 0.9
    middle, spread = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found["low"] == pytest.approx((middle - spread) / (1 + z**2 / n))
    assert found["high"] == pytest.approx((middle + spread) / (1 + z**2 / n))


def test_a_perfect_network_is_not_certain_to_be_perfect() -> None:
    found = reported([0, 1, 2] * 10, [0, 1, 2] * 10, 3)
    assert found["accuracy"]["value"] == found["accuracy"]["high"] == 1.0
    assert 0.85 < found["accuracy"]["low"] < 0.9
    assert found["worst_mistakes"] == []
    assert found["macro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_the_measures_are_those_of_scikit_learn(
    noisy: tuple[Any, Any], noisy_report: dict[str, Any]
) -> None:
    labels, probabilities = noisy
    predicted = probabilities.argmax(1)
    assert noisy_report["accuracy"]["value"] == accuracy_score(labels, predicted)
    assert noisy_report["confusion_matrix"] == confusion_matrix(labels, predicted).tolist()
    assert noisy_report["macro"]["f1"] == f1_score(labels, predicted, average="macro")
    expected = classification_report(labels, predicted, output_dict=True, zero_division=0)
    for number, row in enumerate(noisy_report["classes"]):
        assert row["label"] == f"class {number}"
        assert row["images"] == expected[str(number)]["support"]
        assert row["precision"] == expected[str(number)]["precision"]
        assert row["recall"] == expected[str(number)]["recall"]
        assert row["f1"] == expected[str(number)]["f1-score"]


def test_the_bins_are_those_of_scikit_learns_calibration_curve(
    noisy: tuple[Any, Any], noisy_report: dict[str, Any]
) -> None:
    labels, probabilities = noisy
    right, confidence = probabilities.argmax(1) == labels, probabilities.max(1).astype(float)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=BINS)
    bins = noisy_report["calibration"]["bins"]
    filled = [each for each in bins if each["images"]]
    assert [each["accuracy"] for each in filled] == pytest.approx(list(accuracies))
    assert [each["confidence"] for each in filled] == pytest.approx(list(confidences))
    assert sum(each["images"] for each in bins) == 3000
    assert all(each["low"] < each["confidence"] <= each["high"] for each in filled)
    error = sum(e["images"] * abs(e["accuracy"] - e["confidence"]) for e in filled) / 3000
    assert noisy_report["calibration"]["expected_error"] == pytest.approx(error)
    assert error > 0.05


def test_a_bin_holds_its_upper_edge_and_an_empty_one_has_no_means() -> None:
    """Edges of 15 bins: 0.6 is the ninth's upper one, and 1 the last's."""
    probabilities = np.array([[0.6, 0.4], [1.0, 0.0], [1.0, 0.0]])
    images = np.zeros((3, 1, 2, 2), np.uint8)
    found = report(np.array([0, 0, 1]), probabilities, images, described(2))["calibration"]
    counts = [each["images"] for each in found["bins"]]
    assert counts == [0] * 8 + [1] + [0] * 5 + [2]
    assert found["bins"][0] | {"high": 0} == {
        "low": 0.0,
        "high": 0,
        "images": 0,
        "confidence": None,
        "accuracy": None,
    }
    assert found["bins"][14]["accuracy"] == 0.5
    assert found["expected_error"] == pytest.approx((0.4 + 2 * 0.5) / 3)


def test_classes_that_do_not_occur_have_a_row_and_spoil_no_mean() -> None:
    found = reported([0, 0, 2, 2], [0, 0, 2, 1], 4)
    assert [row["images"] for row in found["classes"]] == [2, 0, 2, 0]
    assert found["classes"][3] == {
        "label": "class 3",
        "images": 0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
    }
    assert np.shape(found["confusion_matrix"]) == (4, 4)
    # class 1 was answered, so it counts; class 3 occurs nowhere
    assert found["macro"]["recall"] == pytest.approx((1 + 0 + 0.5) / 3)


def test_the_worst_mistakes_are_the_most_confident_ones() -> None:
    chance = np.random.default_rng(1)
    confidence = chance.uniform(0.5, 1, 200).astype(np.float32)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = chance.integers(0, 2, 200)
    found = report(labels, probabilities, np.zeros((200, 1, 2, 2), np.uint8), described(2))
    worst = found["worst_mistakes"]
    wrong = [index for index in range(200) if labels[index] == 1]
    expected = sorted(wrong, key=lambda index: -confidence[index])[:WORST_MISTAKES]
    assert [each["index"] for each in worst] == expected
    assert len(worst) == 20


def test_the_typical_ones_of_each_class_are_those_that_are_recognized_most_surely() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    sure = [0.6, 0.9, 0.7, 0.9, 0.8, 0.6, 0.9]
    answers = [0, 0, 0, 0, 1, 2, 0]
    probabilities = np.concatenate(
        [certain([answer], 3, confidence) for answer, confidence in zip(answers, sure, strict=True)]
    )
    images = np.zeros((7, 1, 2, 2), np.uint8)
    found = report(labels, probabilities, images, described(3), list("abcdefg"))["typical"]
    assert [(each["label"], each["name"]) for each in found] == [
        ("class 0", "b"),
        ("class 0", "d"),
        ("class 1", "e"),
    ]
    assert found[0]["confidence"] == pytest.approx(0.9)
    assert found[0]["image"].startswith("data:image/png")
    assert reported([0, 1], [0, 1], 51)["typical"] == []


def test_a_few_mistakes_are_all_shown() -> None:
    found = reported([0, 1, 0, 1], [1, 1, 0, 0], 2)
    assert [each["index"] for each in found["worst_mistakes"]] == [0, 3]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mistakes_picture_is_its_image_stretched_to_255(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 17, (2, *shape), dtype=np.uint8)
    images[1, :, 0, 0] = 16
    probabilities = certain([0, 0], 2)
    found = report(np.array([0, 1]), probabilities, images, described(2, shape))
    (mistake,) = found["worst_mistakes"]
    kind, _, content = mistake["image"].partition(",")
    assert kind == "data:image/png;base64"
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(content, validate=True))))
    stretched = images[1] * (255 / 16)
    if shape[0] == 3:
        np.testing.assert_array_equal(drawn, stretched.transpose(1, 2, 0).round())
    else:
        np.testing.assert_array_equal(drawn, stretched.mean(axis=0).round())
    assert (drawn[0, 0] == 255).all()


def test_the_picture_of_a_large_image_is_smaller_and_keeps_its_colours() -> None:
    images = np.zeros((1, 3, 256, 512), np.uint8)
    images[:, 0, :, :256] = images[:, 2, :, 256:] = 255  # red on the left, blue on the right
    found = report(np.array([1]), certain([0], 2), images, described(2, (3, 256, 512), 255))
    content = found["worst_mistakes"][0]["image"].partition(",")[2]
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert drawn.shape == (64, 128, 3)
    assert drawn[32, 5].tolist() == [255, 0, 0]
    assert drawn[32, -5].tolist() == [0, 0, 255]


def test_the_report_is_json_and_the_answers_are_those_of_each_image(noisy: tuple[Any, Any]) -> None:
    labels, probabilities = noisy
    found = report(labels, probabilities, np.zeros((3000, 1, 2, 2), np.uint8), described(7))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    kept = load(predictions(labels, probabilities))
    assert {name: array.dtype for name, array in kept.items()} == {
        "labels": np.int16,
        "predicted": np.int16,
        "confidence": np.float32,
    }
    np.testing.assert_array_equal(kept["labels"], labels)
    np.testing.assert_array_equal(kept["predicted"], probabilities.argmax(1))
    np.testing.assert_array_equal(kept["confidence"], probabilities.max(1))


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_run_reports_what_it_publishes(digits: Dataset, loss: str) -> None:
    finished, _ = run(digits_spec(loss={"name": loss}), digits)
    found = json.loads(finished.report)
    assert found["accuracy"]["value"] == finished.metrics["test_accuracy"]
    assert found["confusion_matrix"] == finished.metrics["confusion_matrix"]
    kept = load(finished.predictions)
    np.testing.assert_array_equal(kept["labels"], digits.test_labels)
    assert (kept["labels"] == kept["predicted"]).mean() == finished.metrics["test_accuracy"]
