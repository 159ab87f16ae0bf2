"""Datasets are decoded once, whole or not at all, and say what to do when they cannot be had."""

import subprocess
import sys
import time
from pathlib import Path

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


def test_a_killed_decoder_leaves_nothing_half_and_the_next_one_finishes(tmp_path: Path) -> None:
    decoder = [sys.executable, "-m", "worker.datasets", "digits", str(tmp_path)]
    for delay in (0.3, 0.6, 0.9):
        with subprocess.Popen(decoder) as process:
            time.sleep(delay)
            process.kill()
    if (tmp_path / "digits").exists():
        load(tmp_path / "digits")
    assert subprocess.run(decoder, check=True).returncode == 0
    assert len(load(tmp_path / "digits").train_labels) == 1437
    assert not list(tmp_path.glob("*.partial-*"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

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


def test_a_fault_of_the_decoder_reaches_the_job_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    order = Order(spec={}, datasets_home=str(tmp_path / "file" / "home"), datasets_source=None)
    with pytest.raises(Reported, match=r"Decoding digits failed: .*Not a directory"):
        open_dataset("digits", order)
