"""The model of a job's time counts what the calibration has measured."""

import json
from pathlib import Path

import pytest

from app.jobspec import JobSpec, cost
from worker import calibration, calibrator


def spec(**training: object) -> JobSpec:
    return JobSpec.model_validate({"model": {"hidden": [100]}, "training": training})


def test_a_step_counts_its_multiplications_and_weights() -> None:
    parts = cost.step(spec(batch_size=10))
    assert parts["float32.dense"] == 3 * 10 * (784 * 100 + 100 * 10)
    assert parts["float32.weight"] == 784 * 100 + 100 + 100 * 10 + 10
    assert parts["chain_rule.step"] == 1
    assert "autograd.step" in cost.step(spec(gradient="autograd"))


def test_mini_batches_that_are_taken_together_update_the_first_layer_once() -> None:
    job = JobSpec.model_validate({"training": {"batch_size": 4}})
    parts, first, behind = cost.step(job), 784 * 500, 500 * 10
    assert parts["float32.weight"] == pytest.approx(first / 32 + 500 + behind + 10)
    products = (
        4 * first + 784 * 128
    )  # with weights and velocities, forth and back, and in the block
    assert parts["float32.dense"] == pytest.approx(4 * products + 3 * 4 * behind)
    assert parts["blocks.step"] == 1
    plain = JobSpec.model_validate({"training": {"optimizer": {"momentum": 0.0}}})
    assert cost.step(job)["float32.dense"] - cost.step(plain)["float32.dense"] == 4 * 2 * first


def test_the_estimate_adds_steps_evaluations_and_the_rest() -> None:
    speed = {"chain_rule.step": 0.001, "float32.dense": 1e-9, cost.SETUP: 2.0}
    job = spec(epochs=2, batch_size=100)
    steps, image = 2 * 540, 784 * 100 + 100 * 10
    expected = steps * (0.001 + 3e-7 * image) + (2 * 6000 + 10_000) * 1e-9 * image + 2.0
    assert cost.estimate(job, speed) == pytest.approx(expected)


def test_a_frozen_backbone_is_asked_once() -> None:
    fields = {"dataset": {"limit": 1000}, "model": {"kind": "pretrained"}}
    job = JobSpec.model_validate(fields | {"training": {"epochs": 5}})
    assert cost.step(job)["float32.dense"] == 3 * 4 * 512 * 10
    assert cost.step(job)["float32.convolution"] == 0
    once = 1000 + 10_000  # training and validation images, and those of the test
    backbone = cost.image(job.layers[:-1])["float32.convolution"]
    assert backbone > 20_000_000  # multiplications of 28 x 28 pixels
    assert cost.estimate(job, {"float32.convolution": 1e-9}) == pytest.approx(once * backbone / 1e9)
    longer = job.model_copy(update={"training": job.training.model_copy(update={"epochs": 50})})
    assert cost.estimate(longer, {"float32.convolution": 1e-9}) == pytest.approx(
        once * backbone / 1e9
    )
    tuned = JobSpec.model_validate(fields | {"model": {"kind": "pretrained", "frozen": False}})
    assert cost.step(tuned)["float32.convolution"] == 3 * 4 * backbone


def test_every_part_that_a_job_may_have_is_measured() -> None:
    measured = {
        part for fields in calibration.specs() for part in cost.step(JobSpec.model_validate(fields))
    }
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad"):
        assert set(cost.step(spec(optimizer={"name": name}))) <= measured
    augmented = JobSpec.model_validate(
        {
            "dataset": {"augment": {"noise": 0.1}},
            "model": {"kind": "cnn", "batch_norm": True, "dropout": 0.1, "activation": "gelu"},
            "training": {"precision": "bfloat16", "batch_size": 16},
        }
    )
    assert set(cost.step(augmented)) <= measured


def test_a_residual_network_is_estimated_from_the_parts_that_are_measured() -> None:
    residual = JobSpec.model_validate(
        {"model": {"kind": "resnet", "width": 4}, "dataset": {"augment": {"flip": True}}}
    )
    parts = cost.step(residual)
    measured = {
        part for fields in calibration.specs() for part in cost.step(JobSpec.model_validate(fields))
    }
    assert set(parts) <= measured
    # 9 convolutions with their normalizations, two of them in shortcuts, and the output layer
    assert parts["autograd.float32.layer"] == 19
    assert parts["float32.convolution"] > 3 * 4 * 28 * 28 * 9 * (4 + 2 * 4 * 4)


def test_a_kept_calibration_is_not_made_again(tmp_path: Path) -> None:
    calibrator.file(tmp_path).write_text(json.dumps({"setup": 1.0}))
    kept = calibrator.Calibrator(tmp_path)
    assert kept.speed == {"setup": 1.0}
    assert not kept.look(busy=False)


def test_a_calibration_of_a_slower_training_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrator.file(tmp_path).write_text(json.dumps({"setup": 1.0}))
    monkeypatch.setattr(calibrator, "ROUND", calibrator.ROUND + 1)
    assert calibrator.Calibrator(tmp_path).speed is None


def test_a_calibration_cut_short_is_none(tmp_path: Path) -> None:
    calibrator.file(tmp_path).write_text('{"setup": ')
    assert calibrator.Calibrator(tmp_path).speed is None
