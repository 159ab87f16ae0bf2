"""Decodes a built-in dataset once, into array files."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from filelock import FileLock

from app.jobspec import BUILT_IN_DATASETS
from worker import column_statistics, download, idx
from worker.training.dataset import (
    ARRAYS,
    Array,
    Description,
    NotDecoded,
    TableDescription,
    load,
)

TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
"""torchvision's name of each dataset, which is also that of its folder."""
DIGITS = [str(digit) for digit in range(10)]
CLASSES = {
    "mnist": DIGITS,
    "fashion-mnist": [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    "kmnist": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
}
"""Name of each label, from 0."""
TEST_DIGITS, TEST_TUMOURS = 360, 114
"""Sizes of the test sets that are split off from scikit-learn's 1,797 digits and 569 tumours."""


class DatasetUnavailable(Exception):
    """A dataset cannot be had; `advice` says what its owner can do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def decode(
    name: str,
    home: Path,
    source: Path | None,
    fetch: Callable[[str, Path], None] = download.fetch,
) -> None:
    """Makes the folder `home/name` of array files, whole or not at all.

    A folder that is not whole, such as an older traind or a full disk may leave, is made anew.
    `fetch` downloads a dataset of torchvision's to a folder.

    Raises:
        DatasetUnavailable: no sound files were found under `source`, and the download failed.
    """
    folder = home / name
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f"{name}.lock"):
        with contextlib.suppress(NotDecoded):
            load(folder, BUILT_IN_DATASETS[name])
            return
        shutil.rmtree(folder, ignore_errors=True)
        for abandoned in home.glob(f"{name}.partial-*"):  # of a process that was killed
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(dir=home, prefix=f"{name}.partial-") as unfinished:
            made = Path(unfinished) / name
            made.mkdir()
            description: Description | TableDescription
            if name == "breast-cancer":
                arrays, description = _breast_cancer()
            elif name == "digits":
                arrays = _digits()
                description = _describe(name, arrays, DIGITS, highest=16)
            else:
                places = [place for place in (source, home / "downloads") if place is not None]
                arrays = _idx(name, places, Path(unfinished), fetch)
                description = _describe(name, arrays, CLASSES[name], highest=255)
            for array_name, array in arrays.items():
                np.save(made / f"{array_name}.npy", array)
            (made / "dataset.json").write_bytes(msgspec.json.encode(description))
            made.rename(folder)


def _describe(name: str, arrays: dict[str, Array], classes: list[str], highest: int) -> Description:
    train = arrays["train_images"]
    _, channels, rows, columns = train.shape
    return Description(
        name=name,
        input_shape=(channels, rows, columns),
        classes=classes,
        pixel_range=(0, highest),
        mean=[float(train[:, each].mean(dtype=np.float64) / highest) for each in range(channels)],
        std=[float(train[:, each].std(dtype=np.float64) / highest) for each in range(channels)],
        sha256=_digest(arrays),
    )


def _digest(arrays: dict[str, Array]) -> str:
    digest = sha256()
    for name in ARRAYS:
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _breast_cancer() -> tuple[dict[str, Array], TableDescription]:
    """scikit-learn's 569 tumours (Wolberg et al. 1995): thirty measures, malignant or benign."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    found = load_breast_cancer()
    rows, labels = found.data.astype(np.float32), found.target.astype(np.uint8)
    arrays = _divided(rows, labels, TEST_TUMOURS)
    train = arrays["train_images"].astype(np.float64)
    columns = [
        column_statistics.numeric(str(name), "number", values)
        for name, values in zip(found.feature_names, train.T, strict=True)
    ]
    classes = [str(name) for name in found.target_names]
    return arrays, TableDescription("breast-cancer", "diagnosis", columns, classes, _digest(arrays))


def _divided(examples: Array, labels: Array, test: int) -> dict[str, Array]:
    """The training part and a test part of `test` examples, with equal shares of each class."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    parts = train_test_split(examples, labels, test_size=test, stratify=labels, random_state=0)
    train_examples, test_examples, train_labels, test_labels = parts
    return dict(
        zip(ARRAYS, (train_examples, train_labels, test_examples, test_labels), strict=True)
    )


def _digits() -> dict[str, Array]:
    """scikit-learn's digits: 8x8 images of real handwriting, pixels 0 to 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.uint8)
    return _divided(images, labels, TEST_DIGITS)


def _idx(
    name: str, places: list[Path], unfinished: Path, fetch: Callable[[str, Path], None]
) -> dict[str, Array]:
    """The arrays of MNIST and its family from the first place with sound files, else downloaded.

    torchvision downloads to where the unfinished decode is: it writes its files in place and takes
    any file of the right name for whole, so that a killed download would be kept for ever.
    """
    folder, facts = f"{TORCHVISION[name]}/raw", BUILT_IN_DATASETS[name]
    tried = []
    for place in places:
        try:
            return dict(zip(ARRAYS, idx.read_folder(place / folder, facts), strict=True))
        except (OSError, idx.WrongFile) as error:
            tried.append(_line(error))
    try:
        fetch(TORCHVISION[name], unfinished)
        return dict(zip(ARRAYS, idx.read_folder(unfinished / folder, facts), strict=True))
    except (download.DownloadFailed, OSError, idx.WrongFile) as error:
        tried.append(f"the download failed ({_line(error)})")
    raise DatasetUnavailable(
        f"{TORCHVISION[name]} could not be had: {'; '.join(tried)}.",
        f"Put {', '.join(idx.FILES)}, plain or as .gz, into {places[0].absolute() / folder}, "
        f"or set TRAIND_DATASETS to a folder that holds {folder}; the dataset `digits` needs no "
        "download.",
    )


def _line(error: Exception) -> str:
    """The error's message on one line."""
    return " ".join(str(error).split()) or type(error).__name__
