"""Images that differ, validation images among them, and labels that contradict, are seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.jobspec import JobSpec
from worker.messages import Diagnosed
from worker.training import run as runs
from worker.training.batches import Images
from worker.training.dataset import Dataset
from worker.training.diagnosis.document import document
from worker.training.diagnosis.findings import Change, Finding
from worker.training.diagnosis.inspection import inspect
from worker.training.measurements import Measurements
from worker.training.run import Run
from worker.training.splits import Splits


def images(dataset: Dataset, pixels: np.ndarray) -> Images:
    labels = torch.from_numpy(dataset.train_labels).to(torch.int64)
    return Images(torch.from_numpy(pixels), labels, dataset.description, torch.device("cpu"))


def test_sound_images_are_like_their_own_kind(digits: Dataset) -> None:
    training = images(digits, digits.train_images)
    found = inspect(training, {"validation": training.sample(200)}, 10)
    assert found.shift["validation"] < 2
    assert found.agreement > 0.95
    assert found.contradicted < 0.02
    assert (found.mean, found.std) == pytest.approx((0, 1), abs=0.05)
    assert sum(share for _, share in found.pixels["training"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("how", ["inverted", "brighter", "moved"])
def test_validation_images_of_another_kind_are_the_cause(
    digits: Dataset, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = runs.split

    def shifted(spec: JobSpec, dataset: Dataset, device: torch.device) -> Splits:
        pixels = dataset.train_images
        changed = {
            "inverted": 16 - pixels,
            "brighter": (pixels + 6).clip(0, 16),
            "moved": np.roll(pixels, 2, axis=-1),
        }[how].astype(np.uint8)
        other = plain(spec, replace(dataset, train_images=changed), device)
        return plain(spec, dataset, device)._replace(validation=other.validation)

    monkeypatch.setattr(runs, "split", shifted)
    fields = {
        "dataset": {"name": "digits"},
        "training": {"epochs": 12, "batch_size": 32, "optimizer": {"lr": 0.02}},
    }
    said: list[object] = []
    Run(JobSpec.model_validate(fields), digits, said.append, lambda: None).run()
    last = [each for each in said if isinstance(each, Diagnosed)][-1].diagnosis
    cause = last["findings"][0]
    assert cause["code"] == "distribution_shift"
    assert "validation" in cause["evidence"][0]["name"]
    assert last["suggestion"] is None


def test_what_makes_no_valid_spec_is_not_suggested() -> None:
    change = Change("/model/hidden", [8192] * 4, "far beyond what a network may have")
    finding = Finding("underfitting", "critical", (1, 1), [], "", [change])
    said = document(JobSpec(), [finding], Measurements(), (1, 1), final=True)
    assert said["suggestion"] is None
    assert said["findings"][0]["suggestion"] is None
