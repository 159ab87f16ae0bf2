"""Imports that are cut short: killed, left by their parent, or on a full disk."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.unit.imports.pictures import (
    here,
    imported,
    loaded,
    of_classes,
    started,
    zipped,
)
from worker import disk_faults
from worker.imports.__main__ import NO_STORAGE
from worker.imports.messages import COMMAND, Hindered, Import, Refused, decode, encode_order

PETS = of_classes("cat", "dog", each=6)
TABLE = "\n".join(["file_name,label", *(f"{name},{name[:3]}" for name in PETS)]).encode()
DESCRIBED = {"metadata.csv": TABLE} | PETS


def test_an_import_that_is_killed_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", of_classes("cat", "dog", each=400))
    process = started(source, tmp_path / "ds")
    assert process.stdout is not None
    process.stdout.readline()  # it is among the pictures
    process.kill()
    process.communicate()
    assert not (tmp_path / "ds").exists()
    assert list(tmp_path.glob("ds.partial-*"))
    assert imported(source, tmp_path / "ds").facts["train_images"] == 640
    assert not list(tmp_path.glob("ds.partial-*"))


PARENT = """
import subprocess, sys
from app.lifeline import Process
process = Process([sys.executable, "-P", "-m", "worker.imports"], stdin=subprocess.PIPE)
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_an_import_ends_with_its_parent() -> None:
    """It waits for an order that never comes; the kernel tells it that its parent is dead."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(60)


BREAKING = """
import errno, os, signal, sys
from pathlib import Path
from worker.imports import __main__, arrays

to_disk = arrays._to_disk

def {what}

arrays._to_disk = broken
sys.exit(__main__.main())
"""
FULL = """broken(file):
    raise OSError(errno.ENOSPC, "No space left on device", file.name)
"""
KILLED = """broken(file):
    to_disk(file)
    if Path(file.name).name == "{name}":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def broken(source: Path, target: Path, what: str) -> "subprocess.CompletedProcess[bytes]":
    """An import that meets a fault of the machine while it writes."""
    order = Import(str(source), str(target), "pets", "a.zip", "image", {})
    return run([sys.executable, "-c", BREAKING.format(what=what)], order)


def run(command: list[str], order: Import) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(command, input=encode_order(order), capture_output=True, check=False)


def test_a_full_disk_is_a_fault_of_the_machine_and_said(tmp_path: Path) -> None:
    done = broken(zipped(tmp_path / "a.zip", PETS), tmp_path / "ds", FULL)
    assert done.returncode == NO_STORAGE
    said = decode(done.stdout.splitlines()[-1])
    assert isinstance(said, Hindered)
    assert "refused a file ([Errno 28] No space left on device" in said.how
    assert said.advice == disk_faults.ROOM
    assert done.stderr == b""
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "ds.lock"}


def test_a_file_in_the_place_of_the_folder_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "datasets").touch()
    source = zipped(tmp_path / "a.zip", PETS)
    order = Import(str(source), str(tmp_path / "datasets" / "ds"), "pets", "a.zip", "image", {})
    done = run(COMMAND, order)
    assert done.returncode == NO_STORAGE
    said = decode(done.stdout.splitlines()[-1])
    assert isinstance(said, Hindered)
    assert str(tmp_path / "datasets") in said.how
    assert said.advice == disk_faults.IN_THE_WAY
    assert done.stderr == b""


def test_an_uploaded_file_that_is_gone_is_a_refusal(tmp_path: Path) -> None:
    order = Import(str(tmp_path / "gone"), str(tmp_path / "ds"), "pets", "a.zip", "image", {})
    done = run(COMMAND, order)
    assert done.returncode == 0
    said = decode(done.stdout.splitlines()[-1])
    assert isinstance(said, Refused)
    assert said.code == "object_missing"
    assert "backup" in said.advice


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "dataset.json"])
def test_an_import_that_is_killed_while_it_writes_leaves_the_old_arrays(
    tmp_path: Path, name: str
) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    here(zipped(tmp_path / "old.zip", of_classes("old", "older")), tmp_path / "ds")
    before = loaded(tmp_path / "ds").description
    done = broken(source, tmp_path / "ds", KILLED.format(name=name))
    assert done.returncode == -signal.SIGKILL
    assert loaded(tmp_path / "ds").description == before
    here(source, tmp_path / "ds")
    assert loaded(tmp_path / "ds").description.classes == ["cat", "dog"]
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "old.zip", "ds", "ds.lock"}


def test_an_import_that_is_killed_at_a_random_time_leaves_all_or_nothing(
    tmp_path: Path, seed: int, repeated: Callable[..., int]
) -> None:
    chance = random.Random(seed)
    source = zipped(tmp_path / "a.zip", of_classes("cat", "dog", each=200))
    for _ in range(repeated(20, 4)):
        process = started(source, tmp_path / "ds")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.2, 2.5))
        process.kill()
        process.communicate()
        if (tmp_path / "ds").exists():
            assert len(loaded(tmp_path / "ds").train_images) == 320
            shutil.rmtree(tmp_path / "ds")
    assert here(source, tmp_path / "ds").facts["train_images"] == 320
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "ds", "ds.lock"}
