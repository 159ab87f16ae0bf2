"""A worker's imports with a process that a test scripts: each ends in one way, and is written."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

import psutil
import pytest

from app.codes import DatasetStatus
from app.settings import Settings
from app.store import datasets, imports
from app.store.database import Database, now
from app.store.datasets import Dataset
from app.store.leases import MAX_LOST_ATTEMPTS
from tests import runs
from tests.waiting import until
from worker import import_process
from worker.importer import Importer

SCRIPT = """
import json, os, signal, sys, time
wanted = json.load(sys.stdin)
def say(**message):
    print(json.dumps(message), flush=True)
say(type="progress", done=1, total=2, what="images")
print("a library's word", flush=True)
match wanted["options"]["do"]:
    case "succeed":
        facts = {"input_shape": [1, 8, 8], "classes": 2, "train_images": 80, "test_images": 20}
        say(type="imported", facts=facts, report={"long": "x" * 300_000, "order": wanted})
    case "refuse":
        say(type="refused", code="too_few", message="One class.", advice="Bring two.")
    case "delayed":
        say(type="delayed", message="The bucket is away.")
    case "hindered":
        say(type="hindered", how="the disk of the worker refused a file", advice="Make room.")
        sys.exit(74)
    case "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    case "error":
        raise RuntimeError("no room")
    case "hang":
        time.sleep(3600)
"""


@pytest.fixture
def importer(settings: Settings, store: Database, tmp_path: Path) -> Iterator[Importer]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with store.write() as connection:
        runs.register(connection)
    importer = Importer(settings, store, "wrk_1", [sys.executable, "-P", str(script)])
    yield importer
    importer.close()


def queued(store: Database, do: str) -> str:
    with store.write() as connection:
        made = datasets.create(connection, "cats", "image", {"do": do})
        datasets.uploaded(connection, made.id, "cd" * 32, 1000)
        return made.id


def look(store: Database, dataset_id: str) -> Dataset:
    with store.read() as connection:
        return datasets.get(connection, dataset_id)


def worked(importer: Importer, store: Database, dataset_id: str, *wanted: DatasetStatus) -> Dataset:
    """The version once it has one of these states, with turns of the worker in between."""

    def turn() -> Dataset | None:
        importer.turn(stopping=False)
        wait(importer.waitables, 0.05) if importer.waitables else time.sleep(0.01)
        found = look(store, dataset_id)
        return found if found.status in wanted else None

    found: Dataset = until(turn)
    return found


def process_of_import() -> psutil.Process:
    """The one that runs the script, among whatever other tests have left to this process."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended, and nobody has asked how
            if any(word.endswith("script.py") for word in child.cmdline()):
                return child
    raise AssertionError("no import is under way")


def test_what_an_import_finds_is_written(
    importer: Importer, store: Database, settings: Settings
) -> None:
    first, second = queued(store, "succeed"), queued(store, "succeed")
    for dataset_id in (first, second):
        found = worked(importer, store, dataset_id, DatasetStatus.READY)
        assert found.facts is not None
        assert found.facts["train_images"] == 80
        with store.read() as connection:
            report = datasets.report(connection, dataset_id)
        assert len(report["long"]) == 300_000  # more than a pipe holds
        order = report["order"]
        assert order["target"] == str((settings.home / "datasets" / dataset_id).absolute())
        digest = "cd" * 32
        assert order["source"].endswith(f"objects/sha256/cd/{digest}")


def test_a_refusal_is_written(importer: Importer, store: Database) -> None:
    found = worked(importer, store, queued(store, "refuse"), DatasetStatus.REFUSED)
    assert found.refusal == {"code": "too_few", "message": "One class.", "advice": "Bring two."}


def test_an_import_that_cannot_fetch_its_file_waits_and_costs_no_attempt(
    importer: Importer, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = queued(store, "delayed")
    for _ in range(MAX_LOST_ATTEMPTS + 1):
        worked(importer, store, dataset_id, DatasetStatus.IMPORTING)
        worked(importer, store, dataset_id, DatasetStatus.QUEUED)
        importer.turn(stopping=False)
        assert importer.waitables == []  # it rests, and does not ask again at once
        monkeypatch.setattr(importer, "_rests_until", 0.0)


@pytest.mark.parametrize(
    ("do", "reason"), [("killed", "SIGKILL"), ("error", "RuntimeError: no room")]
)
def test_an_import_that_dies_is_tried_three_times(
    importer: Importer, store: Database, do: str, reason: str
) -> None:
    found = worked(importer, store, queued(store, do), DatasetStatus.REFUSED)
    assert found.refusal is not None
    assert found.refusal["code"] == "import_lost"
    assert f"{MAX_LOST_ATTEMPTS} times" in found.refusal["message"]
    assert reason in found.refusal["message"]
    assert "the memory or the disk did not suffice" in found.refusal["advice"]


def test_an_import_that_is_hindered_is_tried_three_times_and_says_what_to_do(
    importer: Importer, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "RESTS", (0, 0))
    dataset_id = queued(store, "hindered")
    found = worked(importer, store, dataset_id, DatasetStatus.REFUSED)
    assert found.refusal == {
        "code": "import_lost",
        "message": f"The import died {MAX_LOST_ATTEMPTS} times; the last time the disk of the "
        "worker refused a file.",
        "advice": f"Make room. Then POST /datasets/{dataset_id}/retry.",
    }


def test_an_import_that_was_hindered_rests_and_is_taken_up_by_itself(
    importer: Importer, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = queued(store, "hindered")
    worked(importer, store, dataset_id, DatasetStatus.IMPORTING)
    worked(importer, store, dataset_id, DatasetStatus.QUEUED)
    importer.turn(stopping=False)
    assert importer.waitables == []
    assert look(store, dataset_id).status is DatasetStatus.QUEUED

    script = tmp_path / "script.py"  # now there is room
    script.write_text(SCRIPT.replace('"succeed"', '"hindered"', 1))
    monkeypatch.setattr(importer, "_rests_until", 0.0)
    importer.turn(stopping=False)
    assert importer.waitables == []  # its rest is in the database, also for a worker that starts
    monkeypatch.setattr(imports, "now", lambda connection: now(connection) + imports.RESTS[0])
    assert worked(importer, store, dataset_id, DatasetStatus.READY).refusal is None


def test_an_import_that_cannot_start_is_tried_three_times(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "RESTS", (0, 0))
    with store.write() as connection:
        runs.register(connection)
    importer = Importer(settings, store, "wrk_1", ["/no/such/program"])
    found = worked(importer, store, queued(store, "succeed"), DatasetStatus.REFUSED)
    assert found.refusal is not None
    assert "could not start" in found.refusal["message"]


def test_an_import_that_says_nothing_is_ended(
    store: Database, tmp_path: Path, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_process, "HEARTBEAT_SECONDS", 0.05)
    impatient = Settings(home=tmp_path, no_progress_seconds=0.5)
    script = str(tmp_path / "script.py")
    importer = Importer(impatient, store, "wrk_1", [sys.executable, "-P", script])
    found = worked(importer, store, queued(store, "hang"), DatasetStatus.REFUSED)
    assert found.refusal is not None
    assert "said nothing for 0.5 s" in found.refusal["message"]


def test_progress_is_written_and_keeps_the_lease(
    importer: Importer, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_process, "PROGRESS_SECONDS", 0.0)
    dataset_id = queued(store, "hang")

    def told() -> bool:
        importer.turn(stopping=False)
        return look(store, dataset_id).progress is not None

    until(told)
    assert look(store, dataset_id).progress == {"done": 1, "total": 2, "what": "images"}


def test_a_worker_that_stops_gives_its_import_back(importer: Importer, store: Database) -> None:
    dataset_id = queued(store, "hang")
    worked(importer, store, dataset_id, DatasetStatus.IMPORTING)
    child = process_of_import()
    importer.turn(stopping=True)
    assert not child.is_running()
    assert look(store, dataset_id).status is DatasetStatus.QUEUED
    importer.turn(stopping=True)  # and takes no other
    assert look(store, dataset_id).status is DatasetStatus.QUEUED


def test_a_version_that_is_deleted_ends_its_import(
    importer: Importer, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_process, "HEARTBEAT_SECONDS", 0.05)
    dataset_id = queued(store, "hang")
    worked(importer, store, dataset_id, DatasetStatus.IMPORTING)
    child = process_of_import()
    with store.write() as connection:
        datasets.remove(connection, dataset_id)

    def ended() -> bool:
        importer.turn(stopping=False)
        return not child.is_running()

    until(ended)
    assert importer.waitables == []


def test_two_workers_never_import_the_same(store: Database) -> None:
    queued(store, "hang")
    with store.write() as connection:
        assert runs.claim_import(connection, "wrk_1") is not None
        assert runs.claim_import(connection, "wrk_2") is None


def test_what_a_run_needs_to_import_its_dataset_again(importer: Importer, store: Database) -> None:
    version = queued(store, "succeed")

    def spec(**facts: str) -> dict[str, dict[str, dict[str, str]]]:
        return {"dataset": {"facts": facts}}

    wanted = importer.order_of(spec(id=version))
    assert wanted is not None
    assert wanted.target.endswith(version)
    assert importer.order_of(spec()) is None
    assert importer.order_of(spec(id="ds_gone")) is None  # the run says so, and not the worker
