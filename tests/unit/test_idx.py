"""A file of MNIST's family that is not what its name says is named, with what is wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.jobspec import DatasetFacts
from worker import idx
from worker.idx import FILES, WrongFile

FACTS = DatasetFacts(input_shape=(1, 28, 28), classes=10, train_images=60, test_images=10)
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FILES


def sound_files() -> dict[str, bytes]:
    """Files of 60 and 10 images: one pixel of each is 100 and its label."""

    def header(*numbers: int) -> bytes:
        return np.array(numbers, ">u4").tobytes()

    def labels(count: int) -> NDArray[np.uint8]:
        return (np.arange(count) % 10).astype(np.uint8)

    contents = []
    for count in (FACTS.train_images, FACTS.test_images):
        pixels = np.zeros((count, 28, 28), np.uint8)
        pixels[:, 14, 14] = 100 + labels(count)
        contents.append(header(0x803, count, 28, 28) + pixels.tobytes())
        contents.append(header(0x801, count) + labels(count).tobytes())
    return dict(zip(FILES, contents, strict=True))


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_sound_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, sound_files())
    images, labels, test_images, test_labels = idx.read_folder(tmp_path, FACTS)
    assert images.shape == (60, 1, 28, 28)
    assert test_images.shape == (10, 1, 28, 28)
    assert images[:, 0, 14, 14].tolist() == (100 + labels).tolist()
    assert test_labels.tolist() == list(range(10))


Spoil = Callable[[dict[str, bytes]], dict[str, bytes]]
WRONG: dict[str, tuple[Spoil, str]] = {
    "labels swapped": (
        lambda files: {LABELS: files[TEST_LABELS], TEST_LABELS: files[LABELS]},
        f"{LABELS} holds 10 values instead of 60; are two files swapped?",
    ),
    "images swapped": (
        lambda files: {IMAGES: files[TEST_IMAGES], TEST_IMAGES: files[IMAGES]},
        f"{IMAGES} holds 10 x 28 x 28 values instead of 60 x 28 x 28; are two files swapped?",
    ),
    "training and test set swapped": (
        lambda files: dict(
            zip(FILES, [files[name] for name in FILES[2:] + FILES[:2]], strict=True)
        ),
        f"{IMAGES} holds 10 x 28 x 28 values instead of 60 x 28 x 28; are two files swapped?",
    ),
    "images in place of labels": (
        lambda files: {LABELS: files[IMAGES]},
        f"{LABELS} is no IDX file of labels: it begins with the magic number of images",
    ),
    "another file": (
        lambda _: {IMAGES: b"<html>404 Not Found</html>"},
        f"{IMAGES} is no IDX file of images: it begins with no IDX magic number",
    ),
    "a label that no class has": (
        lambda files: {TEST_LABELS: files[TEST_LABELS][:-1] + bytes([10])},
        f"{TEST_LABELS} holds the label 10; labels are 0 to 9",
    ),
    "cut off": (
        lambda files: {TEST_IMAGES: files[TEST_IMAGES][:1000]},
        f"{TEST_IMAGES} is cut off: 984 values instead of 7840",
    ),
    "empty": (lambda _: {LABELS: b""}, f"{LABELS} is cut off: 0 bytes are no IDX file"),
    "too long": (
        lambda files: {LABELS: files[LABELS] + b"x"},
        f"{LABELS} is too long: 61 values instead of 60",
    ),
    "blank": (
        lambda files: {IMAGES: files[IMAGES][:16] + bytes(60 * 784)},
        f"{IMAGES} holds only blank images (every pixel is 0)",
    ),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("spoil", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named(
    tmp_path: Path, spoil: Spoil, message: str, *, compressed: bool
) -> None:
    files = sound_files()
    files |= spoil(files)
    if compressed:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    write(tmp_path, files)
    name, what = message.split(" ", 1)
    with pytest.raises(WrongFile) as wrong:
        idx.read_folder(tmp_path, FACTS)
    assert str(wrong.value) == f"{tmp_path / name}{'.gz' * compressed} {what}"


@pytest.mark.parametrize(
    "content", [gzip.compress(bytes(range(200)))[:50], b"no gzip file"], ids=["cut off", "no gzip"]
)
def test_a_damaged_compressed_file_is_named(tmp_path: Path, content: bytes) -> None:
    files = sound_files()
    del files[LABELS]
    write(tmp_path, files | {f"{LABELS}.gz": content})
    with pytest.raises(WrongFile, match=rf"{LABELS}\.gz cannot be read"):
        idx.read_folder(tmp_path, FACTS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    files = sound_files()
    del files[TEST_LABELS]
    write(tmp_path, files)
    with pytest.raises(FileNotFoundError, match=f"neither {TEST_LABELS} nor {TEST_LABELS}.gz"):
        idx.read_folder(tmp_path, FACTS)
