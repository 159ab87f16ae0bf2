"""Split, order and normalization of the training images."""

from itertools import chain

import pytest
import torch

from app.jobspec import JobSpec
from worker.training import batches
from worker.training.batches import Images
from worker.training.dataset import Dataset
from worker.training.splits import split, stratified_order

CPU = torch.device("cpu")


def parts(digits: Dataset, limit: int | None = None, held_out: int = 144, seed: int = 0):  # noqa: ANN201
    fraction = held_out / (limit or len(digits.train_labels))
    fields = {"name": "digits", "limit": limit, "validation_fraction": fraction}
    spec = JobSpec.model_validate({"dataset": fields, "training": {"seed": seed}})
    return split(spec, digits, CPU)[:2]


def rows(images: Images) -> list[tuple[int, ...]]:
    return [tuple(image.flatten().tolist()) for batch, _ in images.in_order(500) for image in batch]


def test_the_split_holds_out_the_same_share_of_each_class(digits: Dataset) -> None:
    training, validation = parts(digits)
    counts = [
        torch.cat([labels for _, labels in part.in_order(500)]).bincount(minlength=10)
        for part in (training, validation)
    ]
    assert counts[1].sum() == 144
    share = counts[1] / (counts[0] + counts[1])
    assert share.min() > 0.09
    assert share.max() < 0.11


def test_no_image_is_in_both_parts_and_none_is_lost(digits: Dataset) -> None:
    training, validation = parts(digits)
    whole, _ = parts(digits, held_out=0)
    assert sorted(rows(training) + rows(validation)) == sorted(rows(whole))
    assert len(training) + len(validation) == 1437


def test_a_limit_takes_as_many_of_each_class(digits: Dataset) -> None:
    training, validation = parts(digits, limit=100, held_out=10)
    labels = torch.cat(
        [labels for part in (training, validation) for _, labels in part.in_order(99)]
    )
    assert labels.bincount().tolist() == [10] * 10


def test_the_seed_chooses_the_split(digits: Dataset) -> None:
    assert rows(parts(digits)[1]) == rows(parts(digits)[1])
    assert rows(parts(digits)[1]) != rows(parts(digits, seed=1)[1])


def test_every_beginning_of_a_stratified_order_has_the_share_of_the_whole() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    order = stratified_order(labels, seed=3)
    assert sorted(order.tolist()) == list(range(1000))
    assert labels[order[:100]].bincount().tolist() == [90, 9, 1]


def test_an_epoch_draws_every_image_once_in_an_order_of_its_own(digits: Dataset) -> None:
    training, _ = parts(digits)
    first, again, second = (
        [labels.tolist() for _, labels in training.shuffled(100, 0, epoch)] for epoch in (1, 1, 2)
    )
    assert first == again
    assert first != second
    assert [len(batch) for batch in first] == [100] * 12 + [93]
    assert sorted(chain(*first)) == sorted(chain(*second))


def test_an_epoch_can_be_taken_up_at_any_batch(digits: Dataset) -> None:
    training, _ = parts(digits)
    whole = [labels.tolist() for _, labels in training.shuffled(100, 0, 1)]
    rest = [labels.tolist() for _, labels in training.shuffled(100, 0, 1, first=7)]
    assert rest == whole[7:]


@pytest.mark.parametrize("size", [1, 3, 4, 100, 2000])
def test_batches_that_are_drawn_together_are_those_drawn_one_by_one(
    digits: Dataset, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = parts(digits)
    together = list(training.shuffled(size, 0, 1))
    monkeypatch.setattr(batches, "DRAWN", 0)
    alone = list(training.shuffled(size, 0, 1))
    assert len(together) == len(alone)
    for (images, labels), (image, label) in zip(together, alone, strict=True):
        assert torch.equal(images, image)
        assert torch.equal(labels, label)


@pytest.mark.parametrize("first", [1, 2, 5, 600, 1290, 1293])
def test_a_batch_lies_in_memory_as_it_did_wherever_an_epoch_is_taken_up(
    digits: Dataset, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bits of a product depend on it, for processors take aligned numbers at once."""
    monkeypatch.setattr(batches, "DRAWN", 7 * 64)
    training, _ = parts(digits)
    whole = list(training.shuffled(1, 0, 1))[first:]
    rest = list(training.shuffled(1, 0, 1, first))
    assert len(rest) == len(whole)
    for (ours, _), (theirs, _) in zip(rest, whole, strict=True):
        assert torch.equal(ours, theirs)
        assert ours.storage_offset() == theirs.storage_offset()


def test_drawing_batches_leaves_the_generator_of_training_alone(digits: Dataset) -> None:
    before = torch.get_rng_state()
    training, _ = parts(digits)
    list(training.shuffled(100, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_training_pixels_are_normalized(digits: Dataset) -> None:
    whole, _ = parts(digits, held_out=0)
    pixels = torch.cat([batch for batch, _ in whole.in_order(500)])
    assert pixels.dtype == torch.float32
    assert pixels.mean().item() == pytest.approx(0, abs=1e-4)
    assert pixels.std().item() == pytest.approx(1, abs=1e-3)
