"""Arrays of one's own that are missing on a worker are made again; the job lives meanwhile."""

import sys
from pathlib import Path

import pytest

from app import jobspec
from app.codes import StopReason
from app.jobspec import DatasetFacts
from worker.datasets import DatasetUnavailable
from worker.imports.importing import imported
from worker.imports.messages import Import, Imported, Progress, encode
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
