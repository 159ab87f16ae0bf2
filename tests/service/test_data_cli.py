"""`traind data` and `client.datasets` against a real API; the tests play the worker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.error_lines import told
from app.client import Client, Problem, Refused
from app.store import imports
from tests import runs
from tests.service.commands import traind
from tests.service.conftest import Api
from tests.waiting import until

FACTS = {
    "input_shape": [3, 32, 32],
    "classes": 2,
    "train_images": 80,
    "test_images": 20,
    "sha256": "ab" * 32,
}
REPORT: dict[str, Any] = {
    "format": "zip",
    "images": 100,
    "size": [32, 32],
    "size_was": "chosen",
    "color": "rgb",
    "color_was": "found",
    "classes": [
        {"name": "cat", "train": 40, "validation": 0, "test": 10},
        {"name": "[red]dog", "train": 40, "validation": 0, "test": 10},
    ],
    "left_out": {"count": 1, "files": [{"name": "cat/x.png", "reason": "it is cut off"}]},
    "duplicates": {"across_count": 3, "dropped": 2, "across": [], "within_training": 0},
    "warnings": ["dog has few pictures."],
}


ROWS: dict[str, Any] = {
    "format": "CSV",
    "rows": 100,
    "columns": [
        {"name": "age", "kind": "number", "odd": 0, "missing": 0.125, "low": 18.0, "high": 80.5},
        {"name": "[b]since", "kind": "date", "odd": 0, "missing": 0.0, "low": "2020-01-02",
         "high": "2026-01-02"},
        {"name": "job", "kind": "category", "odd": 0, "missing": 0.0, "category_count": 7,
         "categories": [{"name": name, "train": 12} for name in "abcdef"]},
    ],
    "dropped": [{"name": "id", "reason": "it numbers the rows"}],
    "classes": REPORT["classes"],
    "left_out": {"count": 2, "files": [{"name": "line 3", "reason": "it is too short"}]},
    "duplicates": REPORT["duplicates"],
    "warnings": [],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        (tmp_path / "pets" / name).write_bytes(name.encode() * 1000)
    return tmp_path / "pets"


@contextmanager
def worker(api: Api, *, refuses: bool = False, report: dict[str, Any] = REPORT) -> Iterator[None]:
    """Takes the next import and ends it, as soon as there is one."""

    def work() -> None:
        def claimed() -> Any:
            with api.database.write() as connection:
                return runs.claim_import(connection)

        lease = until(claimed)
        with api.database.write() as connection:
            if refuses:
                imports.refuse(connection, lease, "few", "One class only.", "Bring two.")
            else:
                imports.succeed(connection, lease, FACTS, report)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_a_folder_is_sent_imported_and_shown(api: Api, folder: Path) -> None:
    with worker(api):
        told = traind(api, "data", "add", "pets", str(folder), "--size", "32x32", "--deduplicate")
    for line in (
        "pets@1 is ready: 100 pictures in 2 classes, 32 x 32 pixels (chosen), rgb (found).",
        "[red]dog\t40\t0\t10",
        "1 files were left out:",
        "  cat/x.png: it is cut off",
        "2 doubles were left out of the training part.",
        "dog has few pictures.",
        'Train on it: {"preset": "images", "dataset": {"name": "pets"}}',
    ):
        assert line in told, told
    with Client(api.service.url) as client:
        (made,) = client.datasets.list(name="pets")
        assert made["file_name"] == "pets"
        assert made["options"]["image"]["size"] == [32, 32]
        assert made["options"]["deduplicate"] is True
        assert "pets@1\tready\t100\t2" in traind(api, "data", "list")
        assert "pets@1 is ready" in traind(api, "data", "report", "pets@1")
        traind(api, "data", "delete", "pets@1")
        assert client.datasets.list(name="pets") == []


def test_a_table_is_sent_imported_and_shown(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    file.write_text("PAR1")
    said = ["--target", "class", "--column", "zip=category", "--column", "a=b=ignore"]
    with worker(api, report=ROWS):
        told = traind(api, "data", "add", "people", str(file), *said)
    for line in (
        "people@1 is ready: 100 rows in 2 classes, 3 columns.",
        "age\tnumber\t12%\t18 to 80.5",
        "[b]since\tdate\t0%\t2020-01-02 to 2026-01-02",
        "job\tcategory\t0%\ta, b, c, d, e and 2 more",
        "id is left out: it numbers the rows.",
        "2 rows were left out:",
        'Train on it: {"preset": "table", "dataset": {"name": "people"}}',
    ):
        assert line in told, told
    with Client(api.service.url) as client:
        (made,) = client.datasets.list(name="people")
        assert made["kind"] == "table"
        assert made["options"]["table"]["target"] == "class"
        assert made["options"]["table"]["columns"] == {"zip": "category", "a=b": "ignore"}


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.json", "a.jsonl", "a.ndjson"])
def test_a_file_that_is_called_as_a_table_is_one(api: Api, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,class")
    with worker(api, report=ROWS), Client(api.service.url) as client:
        assert client.datasets.add("called", tmp_path / name)["kind"] == "table"


def test_a_column_without_a_kind_is_said_before_anything_is_sent(api: Api, folder: Path) -> None:
    told = traind(api, "data", "add", "pets", str(folder), "--column", "zip", code=2)
    assert "NAME=KIND" in told


def test_a_refusal_is_said_with_what_to_do(api: Api, folder: Path) -> None:
    with (
        worker(api, refuses=True),
        Client(api.service.url) as client,
        pytest.raises(Refused, match=r"One class only\. Bring two\.") as caught,
    ):
        client.datasets.add("pets", folder)
    client_side = caught.value.dataset
    assert client_side["status"] == "refused"


def test_an_upload_goes_on_where_the_connection_broke(api: Api, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000  # five pieces
    file = tmp_path / "data.zip"
    file.write_bytes(content)
    broken: list[int] = []

    def break_once(done: int, _total: int) -> None:
        if len(broken) < 3 and done not in broken:
            broken.append(done)
            raise httpx.WriteError("the cable was pulled")

    with Client(api.service.url) as client:
        made = client.datasets.make("cables")
        sent = client.datasets.send(made["id"], file, break_once)
        assert len(broken) == 3
        assert sent["status"] == "queued"
        assert sent["content"]["bytes"] == len(content)
        client.datasets.delete(made["id"])


def test_an_empty_file_is_refused_by_the_service(api: Api, tmp_path: Path) -> None:
    (tmp_path / "empty.zip").touch()
    with Client(api.service.url) as client:
        made = client.datasets.make("empty")
        with pytest.raises(Exception, match="empty"):
            client.datasets.send(made["id"], tmp_path / "empty.zip")


def test_what_is_wrong_with_a_body_as_a_whole_is_said_once(api: Api, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with Client(api.service.url) as client, pytest.raises(Problem) as refused:
        client.datasets.add("nothing", tmp_path / "empty.csv")
    assert told(refused.value) == "The file is empty, or was lost on its way."


def test_a_wrong_size_is_said_before_anything_is_sent(api: Api, folder: Path) -> None:
    told = traind(api, "data", "add", "pets", str(folder), "--size", "big", code=2)
    assert "HEIGHTxWIDTH" in told
