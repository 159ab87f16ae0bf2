"""Datasets are decoded once, whole or not at all, and say what to do when they cannot be had."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import jobspec
from app.jobspec import BUILT_IN_DATASETS
from tests.unit.test_idx import FACTS, sound_files
from worker import datasets, download
from worker.datasets import DatasetUnavailable
from worker.download import DownloadFailed
from worker.idx import FILES
from worker.messages import Order
from worker.open_dataset import open_dataset
from worker.training.dataset import Dataset, NotDecoded, load

DIGITS = BUILT_IN_DATASETS["digits"]


def test_digits_are_split_as_described(digits: Dataset) -> None:
    assert digits.train_images.shape == (1437, 1, 8, 8)
    assert digits.test_images.shape == (360, 1, 8, 8)
    assert digits.train_images.dtype == np.uint8
    assert digits.description.pixel_range == (0, 16)
    assert digits.train_images.max() == 16
    assert np.bincount(digits.test_labels).min() >= 34


def test_mnist_is_the_real_one(mnist: Dataset) -> None:
    assert mnist.train_images.shape == (60000, 1, 28, 28)
    assert mnist.test_images.shape == (10000, 1, 28, 28)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.description.mean == [pytest.approx(0.1307, abs=1e-4)]
    assert mnist.description.std == [pytest.approx(0.3081, abs=1e-4)]


def test_a_dataset_is_decoded_once(datasets_home: Path, digits: Dataset) -> None:
    before = (datasets_home / "digits" / "train_images.npy").stat().st_mtime_ns
    datasets.decode("digits", datasets_home, None)
    assert (datasets_home / "digits" / "train_images.npy").stat().st_mtime_ns == before
    assert load(datasets_home / "digits", DIGITS).description == digits.description


KILLED_BETWEEN_TWO_ARRAYS = """
import os, pathlib, signal, sys
import numpy as np
from worker import datasets, download

save = np.save

def save_and_die(path, array):
    save(path, array)
    if path.name == "train_labels.npy":
        os.kill(os.getpid(), signal.SIGKILL)

np.save = save_and_die
datasets.decode("digits", pathlib.Path(sys.argv[1]), None)
"""


def test_a_killed_decoder_leaves_nothing_half_and_the_next_one_finishes(tmp_path: Path) -> None:
    killed = [sys.executable, "-c", KILLED_BETWEEN_TWO_ARRAYS, str(tmp_path)]
    assert subprocess.run(killed, check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("digits.partial-*/digits/train_labels.npy"))) == 1
    assert not (tmp_path / "digits").exists()

    datasets.decode("digits", tmp_path, None)
    assert len(load(tmp_path / "digits", DIGITS).train_labels) == 1437
    assert not list(tmp_path.glob("*.partial-*"))


def offline(name: str, folder: Path) -> None:
    raise DownloadFailed(f"no mirror of {name} answers\n{folder} stays empty")


def test_what_cannot_be_had_says_what_was_tried_and_where_to_put_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(DatasetUnavailable) as unavailable:
        datasets.decode("kmnist", tmp_path / "home", source, offline)
    message, advice = str(unavailable.value), unavailable.value.advice
    assert f"{source / 'KMNIST/raw'} holds neither {FILES[0]} nor {FILES[0]}.gz" in message
    assert "the download failed" in message
    assert "\n" not in message + advice
    for file in FILES:
        assert file in advice
    assert str(source / "KMNIST/raw") in advice


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a KMNIST of 70 images."""
    monkeypatch.setitem(BUILT_IN_DATASETS, "kmnist", FACTS)
    raw = tmp_path / "source" / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in sound_files().items():
        (raw / name).write_bytes(content)
    return raw


def decode_kmnist(tmp_path: Path) -> Dataset:
    datasets.decode("kmnist", tmp_path / "home", tmp_path / "source", offline)
    return load(tmp_path / "home" / "kmnist", FACTS)


def test_a_wrong_file_is_named_and_read_again_once_it_is_mended(tmp_path: Path, raw: Path) -> None:
    sound = sound_files()
    labels, test_labels = FILES[1], FILES[3]
    (raw / labels).write_bytes(sound[test_labels])
    (raw / test_labels).write_bytes(sound[labels])
    with pytest.raises(DatasetUnavailable) as unavailable:
        decode_kmnist(tmp_path)
    message = str(unavailable.value)
    assert f"{raw / labels} holds 10 values instead of 60; are two files swapped?" in message
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["kmnist.lock"]

    (raw / labels).write_bytes(sound[labels])
    (raw / test_labels).write_bytes(sound[test_labels])
    assert decode_kmnist(tmp_path).train_labels[:12].tolist() == [*range(10), 0, 1]


def test_compressed_files_are_read_as_the_mirrors_send_them(tmp_path: Path, raw: Path) -> None:
    plain = decode_kmnist(tmp_path)
    shutil.rmtree(tmp_path / "home")
    for name, content in sound_files().items():
        (raw / name).unlink()
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    compressed = decode_kmnist(tmp_path)
    assert compressed.description == plain.description
    assert compressed.train_images[23, 0, 14, 14] == 103


def swap_labels(folder: Path) -> None:
    """What an older traind kept of swapped label files."""
    (folder / "train_labels.npy").rename(folder / "other.npy")
    (folder / "test_labels.npy").rename(folder / "train_labels.npy")
    (folder / "other.npy").rename(folder / "test_labels.npy")


def impossible_label(folder: Path) -> None:
    labels = np.load(folder / "train_labels.npy")
    labels[7] = 77
    np.save(folder / "train_labels.npy", labels)


def swap_sets(folder: Path) -> None:
    for kind in ("images", "labels"):
        (folder / f"train_{kind}.npy").rename(folder / "other.npy")
        (folder / f"test_{kind}.npy").rename(folder / f"train_{kind}.npy")
        (folder / "other.npy").rename(folder / f"test_{kind}.npy")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "swapped labels": swap_labels,
    "swapped sets": swap_sets,
    "impossible label": impossible_label,
    "cut off": lambda folder: os.truncate(folder / "test_images.npy", 500),
    "empty": lambda folder: os.truncate(folder / "test_labels.npy", 0),
    "no description": lambda folder: (folder / "dataset.json").unlink(),
    "empty folder": lambda folder: [path.unlink() for path in folder.iterdir()],  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_decode_is_made_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    datasets.decode("digits", tmp_path, None)
    before = load(tmp_path / "digits", DIGITS)
    labels = before.train_labels.copy()
    damage(tmp_path / "digits")
    with pytest.raises(NotDecoded):
        load(tmp_path / "digits", DIGITS)
    datasets.decode("digits", tmp_path, None)
    after = load(tmp_path / "digits", DIGITS)
    assert after.description == before.description
    assert np.array_equal(after.train_labels, labels)


def test_a_run_decodes_a_damaged_dataset_anew(tmp_path: Path) -> None:
    datasets.decode("digits", tmp_path, None)
    swap_labels(tmp_path / "digits")
    order = Order(spec={}, datasets_home=str(tmp_path), datasets_source=None)
    assert (
        len(open_dataset(jobspec.Dataset(name="digits", facts=DIGITS), order).train_labels) == 1437
    )


@pytest.mark.parametrize("name", datasets.TORCHVISION)
def test_classes_are_called_as_torchvision_calls_them(name: str) -> None:
    kind = getattr(download.torchvision_datasets(), datasets.TORCHVISION[name])
    # torchvision calls MNIST's "0 - zero"
    assert datasets.CLASSES[name] == [each.partition(" - ")[0] for each in kind.classes]


def test_a_broken_download_does_not_spoil_the_next(tmp_path: Path) -> None:
    def half(name: str, folder: Path) -> None:
        raw = folder / name / "raw"
        assert not raw.exists(), "a later download finds the rest of an earlier one"
        raw.mkdir(parents=True)
        (raw / FILES[0]).write_bytes(b"half")
        raise DownloadFailed("connection reset")

    for _ in range(2):
        with pytest.raises(DatasetUnavailable, match="connection reset"):
            datasets.decode("mnist", tmp_path, None, half)


def test_a_download_that_fails_says_why_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")  # where nobody listens
    with pytest.raises(DownloadFailed, match="refused") as failed:
        download.fetch("KMNIST", tmp_path)
    assert "\n" not in str(failed.value)


def test_a_fault_of_the_decoder_reaches_the_job_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    order = Order(spec={}, datasets_home=str(tmp_path / "file" / "home"), datasets_source=None)
    with pytest.raises(DatasetUnavailable, match=r"Decoding digits failed: .*Not a directory"):
        open_dataset(jobspec.Dataset(name="digits", facts=DIGITS), order)
