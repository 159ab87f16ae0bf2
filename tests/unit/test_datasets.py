"""Datasets are decoded once, whole or not at all, and say what to do when they cannot be had."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from worker import datasets
from worker.datasets import DatasetUnavailable
from worker.messages import Order
from worker.training.dataset import Dataset, load
from worker.training_process import DatasetUnavailable as Reported
from worker.training_process import open_dataset


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
    assert mnist.description.mean == pytest.approx(0.1307, abs=1e-4)
    assert mnist.description.std == pytest.approx(0.3081, abs=1e-4)


def test_a_dataset_is_decoded_once(datasets_home: Path, digits: Dataset) -> None:
    before = (datasets_home / "digits" / "train_images.npy").stat().st_mtime_ns
    datasets.decode("digits", datasets_home, None)
    assert (datasets_home / "digits" / "train_images.npy").stat().st_mtime_ns == before
    assert load(datasets_home / "digits").description == digits.description


KILLED_BETWEEN_TWO_ARRAYS = """
import os, pathlib, signal, sys
import numpy as np
from worker import datasets

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
    assert len(load(tmp_path / "digits").train_labels) == 1437
    assert not list(tmp_path.glob("*.partial-*"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("Network is unreachable")  # torchvision makes several lines of it

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.usefixtures("offline")
def test_what_cannot_be_had_says_what_was_tried_and_where_to_put_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(DatasetUnavailable) as unavailable:
        datasets.decode("kmnist", tmp_path / "home", source)
    reason = unavailable.value.reason
    assert f"{source / 'KMNIST/raw'} does not hold its files" in reason.message
    assert "the download failed" in reason.message
    assert "\n" not in reason.message + reason.advice
    for file in datasets.FILES:
        assert file in reason.advice
    assert str(source / "KMNIST/raw") in reason.advice


@pytest.mark.usefixtures("offline")
def test_a_damaged_file_is_called_damaged_and_nothing_of_a_download_is_kept(
    tmp_path: Path, mnist_source: Path
) -> None:
    raw = tmp_path / "downloads" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in datasets.FILES:
        (raw / file).symlink_to(mnist_source / "MNIST" / "raw" / file)
    half = (raw / datasets.FILES[0]).read_bytes()[:1_000_000]
    (raw / datasets.FILES[0]).unlink()
    (raw / datasets.FILES[0]).write_bytes(half)
    with pytest.raises(DatasetUnavailable) as unavailable:
        datasets.decode("mnist", tmp_path, None)
    message = unavailable.value.reason.message
    assert f"{raw} holds a damaged file" in message
    assert "Network is unreachable" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "mnist.lock"]


class HalfDownloaded:
    """A dataset class whose download stops in the middle, as torchvision's does when killed."""

    def __init__(self, root: Path, *, train: bool, download: bool = False) -> None:
        self.raw = Path(root) / "MNIST" / "raw"
        if not download:
            raise RuntimeError(f"not found, train={train}")
        assert not self.raw.exists(), "a later download finds the rest of an earlier one"
        self.raw.mkdir(parents=True)
        (self.raw / datasets.FILES[0]).write_bytes(b"half")
        raise OSError("connection reset")


HalfDownloaded.__name__ = "MNIST"


def test_a_broken_download_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision = SimpleNamespace(MNIST=HalfDownloaded)
    monkeypatch.setattr(datasets, "torchvision_datasets", lambda: torchvision)
    for _ in range(2):
        with pytest.raises(DatasetUnavailable, match="connection reset"):
            datasets.decode("mnist", tmp_path, None)


def test_a_fault_of_the_decoder_reaches_the_job_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    order = Order(spec={}, datasets_home=str(tmp_path / "file" / "home"), datasets_source=None)
    with pytest.raises(Reported, match=r"Decoding digits failed: .*Not a directory"):
        open_dataset("digits", order)
