"""Distortions stay within their limits and follow from their generator alone."""

import math

import pytest
import torch

from app.jobspec import Augment
from worker.training.augmentation import Augmentation

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmentation(rows: int = 28, channels: int = 1, **fields: float) -> Augmentation:
    return Augmentation(Augment.model_validate(fields), (channels, rows, rows), CPU)


def images(rows: int = 28, channels: int = 1) -> torch.Tensor:
    return torch.rand(16, channels, rows, rows, generator=generator(9))


ALL = {"shift": 2.0, "rotation": 15.0, "scale": 0.2, "elastic": 1.0, "noise": 0.1}


@pytest.mark.parametrize(("rows", "channels"), [(28, 1), (8, 1), (28, 3)])
def test_the_same_generator_distorts_the_same_way_and_leaves_torchs_own_alone(
    rows: int, channels: int
) -> None:
    distort, given = augmentation(rows, channels, **ALL), images(rows, channels)
    before = torch.get_rng_state()
    first, again, other = (distort(given, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == given.shape
    assert first.dtype == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_asked_is_nothing_done() -> None:
    given = images()
    assert augmentation()(given, generator()) is given


def test_moves_stay_within_their_limits_and_reach_them() -> None:
    distort = augmentation(shift=3.0, rotation=20.0, scale=0.25)
    matrices = distort.matrices(4000, generator())
    shifts = matrices[:, :, 2] * 28 / 2
    assert 2.9 < shifts.abs().max() <= 3.0
    angles = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert math.radians(19) < angles.abs().max() <= math.radians(20) + 1e-6
    zooms = 1 / torch.linalg.det(matrices[:, :, :2]).sqrt()
    assert 0.75 <= zooms.min() < 0.76
    assert 1.24 < zooms.max() <= 1.25 + 1e-6


def test_a_shift_moves_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that takes each pixel from two to the right moves the image two to the left."""
    distort, given = augmentation(shift=2.0), images()
    move = torch.tensor([[1.0, 0.0, 2 * 2 / 28], [0.0, 1.0, 0.0]]).expand(16, 2, 3)
    monkeypatch.setattr(distort, "matrices", lambda *_: move)
    moved = distort(given, generator())
    torch.testing.assert_close(moved[..., :-2], given[..., 2:], atol=1e-5, rtol=0)
    assert moved[..., -2:].abs().max() < 1e-5


def test_bending_has_the_strength_that_is_asked() -> None:
    bent = augmentation(elastic=1.5).bending(200, generator())
    assert bent.shape == (200, 28, 28, 2)
    assert (bent * 28 / 2).std().item() == pytest.approx(1.5, rel=0.01)
    roughness = (bent[:, 1:] - bent[:, :-1]).std() / bent.std()
    assert roughness < 0.3


def test_noise_has_the_strength_that_is_asked_and_stays_in_range() -> None:
    grey = torch.full((16, 1, 28, 28), 0.5)
    noisy = augmentation(noise=0.1)(grey, generator())
    assert (noisy - grey).std().item() == pytest.approx(0.1, rel=0.05)
    extreme = augmentation(noise=1.0)(grey, generator())
    assert extreme.min() >= 0
    assert extreme.max() <= 1
