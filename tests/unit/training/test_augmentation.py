"""Distortions stay within their limits and follow from their generator alone."""

import math

import pytest
import torch

from app.jobspec import Augment
from worker.training import picture_augmentation
from worker.training.augmentation import Augmentation

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmentation(rows: int = 28, channels: int = 1, **fields: float) -> Augmentation:
    return Augmentation(Augment.model_validate(fields), (channels, rows, rows), CPU)


def images(rows: int = 28, channels: int = 1) -> torch.Tensor:
    return torch.rand(16, channels, rows, rows, generator=generator(9))


ALL = {"shift": 2.0, "rotation": 15.0, "scale": 0.2, "elastic": 1.0, "noise": 0.1}
PICTURES = {"flip": True, "crop": 0.5, "color": 0.4, "erase": 0.5}


@pytest.mark.parametrize(("rows", "channels"), [(28, 1), (8, 1), (28, 3)])
@pytest.mark.parametrize("fields", [ALL, ALL | PICTURES, *({k: v} for k, v in PICTURES.items())])
def test_the_same_generator_distorts_the_same_way_and_leaves_torchs_own_alone(
    rows: int, channels: int, fields: dict[str, float]
) -> None:
    distort, given = augmentation(rows, channels, **fields), images(rows, channels)
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


def test_what_is_usual_for_pictures_comes_after_the_other_distortions() -> None:
    """A mirrored image is the mirror image of what the others make: they draw what they drew."""
    given = images(channels=3)
    plain = augmentation(channels=3, **ALL)(given, generator())
    flipped = augmentation(channels=3, **ALL, flip=True)(given, generator())
    for one, other in zip(plain, flipped, strict=True):
        assert torch.equal(other, one) or torch.equal(other, one.flip(2))


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    given = torch.rand(400, 3, 6, 5, generator=generator(9))
    flipped = picture_augmentation.flip(given, generator())
    mirrored = (flipped == given.flip(3)).flatten(1).all(1)
    assert ((flipped == given).flatten(1).all(1) ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_a_crop_shows_a_part_of_the_image_and_nothing_else() -> None:
    """On an image whose pixels say where they are, the corners say what was cropped."""
    side = 32
    across = torch.linspace(0, 1, side).expand(side, side)
    given = torch.stack([across, across.t()]).expand(500, 2, side, side)
    cropped = picture_augmentation.crop(given, 0.4, generator())
    width = (cropped[:, 0, 0, -1] - cropped[:, 0, 0, 0]) * (side - 1) / side + 1 / side
    height = (cropped[:, 1, -1, 0] - cropped[:, 1, 0, 0]) * (side - 1) / side + 1 / side
    area, aspect = width * height, width / height
    assert 0.35 < area.min() < 0.45
    assert 0.9 < area.max() <= 1.001
    assert 0.7 < aspect.min() < 0.8
    assert 1.25 < aspect.max() < 1.4
    torch.testing.assert_close(cropped[:, 0], cropped[:, 0, :1].expand(-1, side, -1))
    assert (cropped[:, 0].diff(dim=2) >= 0).all()  # neither mirrored nor wrapped around
    assert cropped[:, 0, 0, 0].std() > 0.05  # not always the middle
    assert augmentation(channels=3, crop=1.0)(images(channels=3), generator()).equal(
        images(channels=3)
    )


def test_colours_change_by_at_most_what_is_asked() -> None:
    grey = torch.full((500, 3, 4, 4), 0.5)
    changed = picture_augmentation.color(grey, 0.3, generator())
    assert 0.35 <= changed.min() < 0.36
    assert 0.64 < changed.max() <= 0.65
    assert (changed.std((1, 2, 3)) < 1e-6).all()  # grey stays grey, whatever the saturation


def test_contrast_and_saturation_change_differences_of_brightness_and_of_colour() -> None:
    """Contrast changes both, and saturation only the second: their ratio tells it apart."""
    colored = torch.tensor([0.5, 0.4, 0.35]).view(1, 3, 1, 1).expand(500, 3, 8, 8).clone()
    colored[:, :, :4] *= 0.5

    def measured(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grey = (images * torch.tensor(picture_augmentation.LUMA).view(1, 3, 1, 1)).sum(1)
        brightness = grey[:, -1, 0] - grey[:, 0, 0]
        return brightness / grey.mean((1, 2)), (images[:, 0] - images[:, 2])[:, -1, 0] / brightness

    contrast, saturation = (
        after / before
        for after, before in zip(
            measured(picture_augmentation.color(colored, 0.5, generator())),
            measured(colored),
            strict=True,
        )
    )
    for factor in (contrast, saturation):
        assert 0.49 < factor.min() < 0.52
        assert 1.48 < factor.max() < 1.51
    one = images(channels=1)
    assert picture_augmentation.color(one, 0.5, generator()).shape == one.shape


def test_erasing_puts_noise_into_a_rectangle_of_some_images() -> None:
    given = torch.full((600, 3, 20, 30), -1.0)
    erased = picture_augmentation.erase(given, 0.5, generator())
    changed = (erased != given).all(1)
    assert torch.equal(changed, (erased != given).any(1))  # in all channels at once
    hit = changed[changed.flatten(1).any(1)]
    assert 250 < len(hit) < 350
    areas = hit.float().mean((1, 2))
    assert 0.005 < areas.min() < 0.04
    assert 0.36 < areas.max() < 0.44
    for each in hit[:50]:
        rows, columns = each.any(1), each.any(0)
        assert torch.equal(each, rows[:, None] & columns[None])
        assert rows.sum() * columns.sum() == each.sum()
        assert rows.int().diff().abs().sum() <= 2
        assert columns.int().diff().abs().sum() <= 2
    assert 0.45 < erased[erased >= 0].mean() < 0.55
    assert torch.equal(picture_augmentation.erase(given, 0.0, generator()), given)
