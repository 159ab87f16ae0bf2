"""A dataset of one's own on disk, made up: small colour pictures that a network can learn."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.jobspec import DatasetFacts, JobSpec
from worker.training.dataset import Array, Dataset, Description, load

ID = "ds_made_up"


@dataclass(frozen=True)
class Own:
    """The folder of a dataset, what its specs say of it, and its arrays."""

    folder: Path
    facts: DatasetFacts
    dataset: Dataset

    def spec(self, **sections: Any) -> JobSpec:
        """A job on it, as the service would accept it."""
        dataset = {"name": "my-cats"} | sections.pop("dataset", {})
        fields = {"dataset": dataset, **sections}
        return JobSpec.model_validate(fields, context={"my-cats": self.facts})


def make(
    home: Path,
    shape: tuple[int, int, int] = (3, 12, 12),
    classes: int = 3,
    validation: int = 0,
    counts: tuple[int, int] = (160, 40),
) -> Own:
    """Each class is a colour with a bright spot of its own place, in noise."""
    chance = np.random.default_rng(7)
    parts = dict(zip(("train", "test", "validation"), (*counts, validation), strict=True))
    arrays: dict[str, Array] = {}
    for part, count in parts.items():
        if count:
            labels = np.arange(count) % classes
            arrays[f"{part}_images"] = _pictures(labels, shape, chance)
            arrays[f"{part}_labels"] = labels.astype(np.uint8 if classes <= 256 else np.uint16)
    folder = home / ID
    folder.mkdir(parents=True)
    digest = sha256()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        digest.update(array.tobytes())
    pixels = arrays["train_images"] / 255
    description = Description(
        name="my-cats",
        input_shape=shape,
        classes=[f"class {number}" for number in range(classes)],
        pixel_range=(0, 255),
        mean=pixels.mean((0, 2, 3)).tolist(),
        std=pixels.std((0, 2, 3)).tolist(),
        sha256=digest.hexdigest(),
        preparation={"fit": "crop", "ground": [255, 255, 255]},
    )
    (folder / "dataset.json").write_bytes(msgspec.json.encode(description))
    facts = DatasetFacts(
        input_shape=shape,
        classes=classes,
        train_images=counts[0],
        test_images=counts[1],
        validation_images=validation,
        id=ID,
        version=1,
        sha256=description.sha256,
    )
    return Own(folder, facts, load(folder, facts))


def _pictures(labels: Array, shape: tuple[int, int, int], chance: np.random.Generator) -> Array:
    channels, rows, columns = shape
    pictures = chance.integers(0, 90, (len(labels), *shape))
    for picture, label in zip(pictures, labels, strict=True):
        picture[label % channels] += 60
        top, left = (label * 5) % (rows - 3), (label * 7) % (columns - 3)
        picture[:, top : top + 3, left : left + 3] += 100
    return pictures.astype(np.uint8)
