"""What a frozen backbone makes of each image: computed once, and kept for the next runs.

Rows of a file are features of the images in the order of the dataset's arrays, NaN where nobody has
asked for them yet; so a run that uses few images computes few, and one that is stopped has not
worked in vain. Runs at the same time write the same numbers.

The last bits of the numbers depend on the processor and the threads, and could on the size of a
batch. So each environment has a file of its own, and batches are always full, the last one with its
last image again: a job's weights then do not depend on what earlier jobs have left here.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from app.jobspec import JobSpec
from worker.messages import Log, Report
from worker.training.backbone import Backbone
from worker.training.batches import Images, mapped
from worker.training.dataset import Array, Dataset
from worker.training.environment import machine
from worker.training.evaluation import batch_size
from worker.training.splits import Splits

VERSION = 1
"""Of what is computed; files of another version are not read."""
BLOCK = 4096
"""Rows that are read or written at once."""


class Features:
    """The features of one dataset by one backbone, in one environment."""

    def __init__(
        self, backbone: Backbone, spec: JobSpec, dataset: Dataset, device: torch.device
    ) -> None:
        self._net = backbone.frozen(spec).to(device)
        (self._units,) = spec.model.backbone_layers(spec.dataset.facts)[-1].outputs
        self._dataset = dataset
        seen = dataset.description.sha256, dataset.description.statistics()
        made_of = VERSION, backbone.sha256, seen, machine(device)
        key = sha256(msgspec.json.encode(made_of, order="sorted")).hexdigest()
        self._folder = dataset.folder and dataset.folder / f"features-{key[:16]}"

    def of(
        self, splits: Splits, report: Callable[[Report], None], heartbeat: Callable[[], None]
    ) -> Splits:
        """The same examples, as the backbone sees them.

        `heartbeat` is called before each batch of images. An exception that it raises ends the
        work; what was computed until then is kept.
        """
        dataset, held_out = self._dataset, self._dataset.validation_labels
        training = "train", len(dataset.train_labels)
        validation = training if held_out is None else ("validation", len(held_out))
        parts = training, validation, ("test", len(dataset.test_labels))
        seen = []
        for images, (part, count) in zip(splits, parts, strict=True):
            features, rows = self._array(part, count, report), images.origins.numpy()
            missing = _missing(features, rows)
            if len(missing):
                what = f"{len(missing)} images ({part})"
                report(Log(f"computing what the backbone makes of {what}, once"))
            size = batch_size(images)
            for start in range(0, len(missing), size):
                heartbeat()
                asked = missing[start : start + size]
                features[rows[asked]] = self._computed(images, asked, size)
            seen.append(images.seen_as(mapped(features)))
        return Splits(*seen)

    @torch.inference_mode()
    def _computed(self, images: Images, asked: Array, size: int) -> Array:
        full = np.concatenate([asked, np.repeat(asked[-1:], size - len(asked))])
        pixels, _ = images.draw(torch.from_numpy(full))
        seen: Tensor = self._net(pixels)
        computed: Array = seen[: len(asked)].cpu().numpy()
        return computed

    def _array(self, part: str, count: int, report: Callable[[Report], None]) -> Array:
        """float32 (N, units), in a file if there is a folder and the disk has room."""
        shape = count, self._units
        if self._folder is not None:
            try:
                return _opened(self._folder / f"{part}.npy", shape)
            except OSError as error:
                report(Log(f"what the backbone makes of the images is not kept: {error}"))
        return np.full(shape, np.nan, np.float32)


def _missing(features: Array, rows: Array) -> Array:
    """Positions of those of the rows that are not computed yet."""
    found = [
        start + np.flatnonzero(np.isnan(features[rows[start : start + BLOCK]]).any(axis=1))
        for start in range(0, len(rows), BLOCK)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _opened(file: Path, shape: tuple[int, int]) -> Array:
    """The file, mapped; a new one is NaN, written so that a full disk is met here and not later."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            _write_nan(unfinished, shape)
            os.link(unfinished, file)
        except FileExistsError:  # another run was quicker: what it has computed is not thrown away
            pass
        finally:
            unfinished.unlink(missing_ok=True)
    array: Array = np.lib.format.open_memmap(file, mode="r+")
    return array


def _write_nan(file: Path, shape: tuple[int, int]) -> None:
    kind = np.lib.format.dtype_to_descr(np.dtype(np.float32))
    nothing = np.full((BLOCK, shape[1]), np.nan, np.float32)
    with file.open("wb") as opened:
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(opened, header)
        for start in range(0, shape[0], BLOCK):
            opened.write(nothing[: shape[0] - start].tobytes())
