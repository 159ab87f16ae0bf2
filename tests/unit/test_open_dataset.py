"""Arrays of one's own that are missing on a worker are made again; the job lives meanwhile."""

import errno
import os
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from app import jobspec
from app.codes import StopReason
from app.jobspec import DatasetFacts
from worker import datasets, disk_faults
from worker import open_dataset as opening
from worker.datasets import DatasetUnavailable
from worker.imports.importing import imported
from worker.imports.messages import Import, Imported, Progress, Stored, encode
from worker.messages import Order
from worker.open_dataset import open_dataset
from worker.training.interruptions import Stopping


@pytest.fixture
def lost(tmp_path: Path) -> tuple[jobspec.Dataset, Order]:
    """A table that was imported elsewhere: its file is here, and not its arrays."""
    file = tmp_path / "object"
    lines = [f"{number % 17},{number % 5},{'ab'[number % 2]}" for number in range(400)]
    file.write_text("x,y,class\n" + "\n".join(lines) + "\n")
    there = order_of(file, tmp_path / "elsewhere" / "ds_1")
    last = imported(there, lambda _: None)
    assert isinstance(last, Imported)
    facts = DatasetFacts.stored({**last.facts, "id": "ds_1", "version": 1})
    wanted = jobspec.Dataset.model_validate({"name": "rows"}, context={"rows": facts})
    home = tmp_path / "datasets"
    home.mkdir()
    source = order_of(file, home / "ds_1")
    order = Order(spec={}, datasets_home=str(home), datasets_source=None, own_dataset=source)
    return wanted, order


def order_of(file: Path, target: Path) -> Import:
    target.parent.mkdir(exist_ok=True)
    options = {"target": "class"}
    return Import(str(file), str(target), "rows", "rows.csv", "table", {"table": options})


def test_they_are_made_again_with_signs_of_life(lost: tuple[jobspec.Dataset, Order]) -> None:
    wanted, order = lost
    signs: list[bool] = []
    opened = open_dataset(wanted, order, lambda: signs.append(True))
    assert opened.description.sha256 == wanted.facts.sha256
    assert len(signs) >= 2  # the first rows, and the end


def test_a_job_that_is_stopped_meanwhile_ends_the_import(
    lost: tuple[jobspec.Dataset, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it would take."""
    line = encode(Progress(1, 2, "rows")).decode()
    endless = f"import time; print({line!r}, end='', flush=True); time.sleep(1e6)"
    monkeypatch.setattr("worker.open_dataset.COMMAND", [sys.executable, "-c", endless])

    def stop() -> None:
        raise Stopping(StopReason.CANCEL)

    with pytest.raises(Stopping):
        open_dataset(*lost, stop)


def test_a_file_that_is_refused_now_says_why(lost: tuple[jobspec.Dataset, Order]) -> None:
    wanted, order = lost
    assert order.own_dataset is not None
    Path(order.own_dataset.source).write_text("x,y\n1,2\n")
    with pytest.raises(DatasetUnavailable, match="class"):
        open_dataset(wanted, order)


NUMBERS = {
    errno.ENOSPC: disk_faults.ROOM,
    errno.EDQUOT: disk_faults.ROOM,
    errno.EROFS: disk_faults.WRITABLE,
    errno.EACCES: disk_faults.WRITABLE,
    errno.ENOTDIR: disk_faults.IN_THE_WAY,
    errno.EEXIST: disk_faults.IN_THE_WAY,
    errno.ENAMETOOLONG: disk_faults.OTHERWISE,
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("step", ["decode", "mark"])
def test_the_advice_follows_from_what_the_disk_says(
    lost: tuple[jobspec.Dataset, Order], monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    wanted, order = lost

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/the/folder")

    if step == "decode":
        monkeypatch.setattr(datasets, "decode", refuse)
        wanted = jobspec.Dataset(name="digits")
    else:
        stored = Stored("s3://bucket", "ab" * 32, 1, "/cache", 1)
        assert order.own_dataset is not None
        order = replace(order, own_dataset=replace(order.own_dataset, source=stored))
        monkeypatch.setattr(opening, "mark", refuse)
    with pytest.raises(DatasetUnavailable, match="/the/folder") as told:
        open_dataset(wanted, order)
    assert told.value.advice == NUMBERS[number]


def test_an_import_again_says_what_hinders_it(lost: tuple[jobspec.Dataset, Order]) -> None:
    wanted, order = lost
    home = Path(order.datasets_home)
    home.rmdir()
    home.touch()
    with pytest.raises(DatasetUnavailable, match=f"refused a file .*{home}") as told:
        open_dataset(wanted, order)
    assert told.value.advice == disk_faults.IN_THE_WAY


def test_an_import_again_that_dies_promises_nothing_of_the_disk(
    lost: tuple[jobspec.Dataset, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.open_dataset.COMMAND", [sys.executable, "-c", "exit(3)"])
    with pytest.raises(DatasetUnavailable, match="exit code 3") as told:
        open_dataset(*lost)
    assert told.value.advice == opening.DIED
