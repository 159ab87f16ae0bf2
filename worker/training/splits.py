"""The images of a run: those to train on, to validate with and to test with."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from app.jobspec import JobSpec
from worker.training.batches import Images, generator, mapped
from worker.training.dataset import Array, Dataset

_SPLIT = 2**32 - 1
"""Stands for the epoch in the seed of the split."""


class Splits(NamedTuple):
    """No image is in two of them."""

    training: Images
    validation: Images
    test: Images


def split(spec: JobSpec, dataset: Dataset, device: torch.device) -> Splits:
    """The images that a spec trains on, holds out for validation, and tests with.

    Training and validation together are at most `dataset.limit` images. Each has every class in the
    proportion of the whole. The dataset's description says how images are normalized.
    """
    seed, held_out = spec.training.seed, spec.dataset.validation_images
    labels = _tensor(dataset.train_labels)
    chosen = stratified_order(labels, seed)[: spec.dataset.limit]
    order = chosen[stratified_order(labels[chosen], seed)]
    pixels = mapped(dataset.train_images)
    training, validation = (
        Images(pixels[part], labels[part], dataset.description, device)
        for part in (order[held_out:].sort().values, order[:held_out].sort().values)
    )
    test_pixels, test_labels = mapped(dataset.test_images), _tensor(dataset.test_labels)
    test = Images(test_pixels, test_labels, dataset.description, device)
    return Splits(training, validation, test)


def stratified_order(labels: Tensor, seed: int) -> Tensor:
    """Indices in an order whose every beginning has the classes in nearly the whole's proportions.

    Each class is shuffled, and its k-th of n members stands at the position (k + 1/2) / n.
    """
    shuffled = torch.randperm(len(labels), generator=generator(seed, _SPLIT))
    position = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = shuffled[labels[shuffled] == label]
        position[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return position.argsort(stable=True)


def _tensor(labels: Array) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))
