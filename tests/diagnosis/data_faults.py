"""Faults of data and machine, planted into the dataset or the network while it trains."""

import random
from dataclasses import replace

import numpy as np
import torch

from tests.diagnosis.draws import Fields, Planted, dense, with_fields
from worker.training.dataset import Dataset
from worker.training.run import Run


def broken(chance: random.Random, fields: Fields) -> Planted:
    share = chance.choice([0.8, 0.9])
    masks = chance.random() < 0.5

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        images, tests = dataset.train_images.copy(), dataset.test_images.copy()
        if masks:  # most of the sensor is stuck
            stuck = draw.random(images.shape[1:]) < share
            images[:, stuck] = tests[:, stuck] = 7
        else:  # many files could not be read
            images[draw.random(len(images)) < 0.3] = 0
        return replace(dataset, train_images=images, test_images=tests)

    return Planted("", "", fields, fields, tamper=tamper)


def wrong_labels(chance: random.Random, fields: Fields) -> Planted:
    share = chance.choice([0.3, 0.5, 1.0])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        labels = dataset.train_labels.copy()
        chosen = draw.random(len(labels)) < share
        labels[chosen] = draw.permutation(labels[chosen])
        return replace(dataset, train_labels=labels)

    return Planted("", "", fields, fields, tamper=tamper)


def imbalance(chance: random.Random, fields: Fields) -> Planted:
    favourite, part = chance.randrange(10), chance.choice([0.9, 0.95])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        labels = dataset.train_labels
        frequent, rare = np.flatnonzero(labels == favourite), np.flatnonzero(labels != favourite)
        number = int(len(labels) * part)
        chosen = draw.permutation(
            np.concatenate(
                [draw.choice(frequent, number), draw.choice(rare, len(labels) - number, False)]
            )
        )
        return replace(
            dataset, train_images=dataset.train_images[chosen], train_labels=labels[chosen]
        )

    sound = with_fields(dense(fields), {"training": {"loss": {"class_weights": "balanced"}}})
    return Planted("", "", dense(fields), sound, curable=True, tamper=tamper)


def shifted(chance: random.Random, fields: Fields) -> Planted:
    how = chance.choice(["inverted", "brighter", "noisy", "moved"])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        highest = dataset.description.pixel_range[1]
        tests = dataset.test_images.astype(np.int64)
        match how:
            case "inverted":
                tests = highest - tests
            case "brighter":
                tests = tests + highest // 3
            case "noisy":
                tests = tests + draw.normal(0, highest / 2, tests.shape).astype(np.int64)
            case "moved":
                tests = np.roll(tests, tests.shape[-1] // 4, axis=-1)
        return replace(dataset, test_images=tests.clip(0, highest).astype(np.uint8))

    return Planted("", "", fields, fields, tamper=tamper)


def broken_number(chance: random.Random, fields: Fields) -> Planted:
    layer = chance.choice([0, -1])

    def sabotage(run: Run) -> None:
        weights = [p for p in run.network.parameters() if p.ndim > 1]
        with torch.no_grad():
            weights[layer][0, 0] = float("nan")

    return Planted("", "", fields, fields, sabotage=sabotage)
