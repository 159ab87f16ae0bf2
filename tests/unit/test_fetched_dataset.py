"""A training process fetches what it misses, given only its order; it says why it cannot."""

import gc
import random
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from app import jobspec
from app.jobspec import DatasetFacts
from app.store.objects import open_objects
from tests.s3 import BUCKET, Proxy, Server, proxy, s3
from worker import cache
from worker.datasets import DatasetUnavailable
from worker.imports.importing import imported
from worker.imports.messages import Import, Imported, Stored
from worker.messages import Order, decode_command, encode
from worker.open_dataset import open_dataset

__all__ = ["proxy", "s3"]

NUMBERS = [random.Random(8).random() for _ in range(400)]
LINES = [f"{number:.4f},{index % 5},{'ab'[index % 2]}" for index, number in enumerate(NUMBERS)]
CONTENT = ("x,y,class\n" + "\n".join(LINES) + "\n").encode()
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def order(proxy: Proxy, tmp_path: Path) -> Order:
    """For a dataset that was imported on another machine, as it comes out of a pipe."""
    assert proxy.url
    address = f"s3://{BUCKET}/{tmp_path.name}"
    (tmp_path / "upload").write_bytes(CONTENT)
    open_objects(address).put(tmp_path / "upload", DIGEST)
    there = Import(
        str(tmp_path / "upload"),
        str(tmp_path / "there" / "ds_1"),
        "rows",
        "rows.csv",
        "table",
        {"table": {"target": "class"}},
    )
    last = imported(there, lambda _: None)
    assert isinstance(last, Imported)
    stored = Stored(address, DIGEST, len(CONTENT), str(tmp_path / "here" / "cache"), 0)
    target = str(tmp_path / "here" / "datasets" / "ds_1")
    here = msgspec.structs.replace(there, source=stored, target=target)
    facts = {**last.facts, "id": "ds_1", "version": 1}
    sent = Order({"facts": facts}, str(tmp_path / "here" / "datasets"), None, own_dataset=here)
    received = decode_command(encode(sent))
    assert isinstance(received, Order)
    return received


def wanted(order: Order) -> jobspec.Dataset:
    facts = DatasetFacts.stored(order.spec["facts"])
    return jobspec.Dataset.model_validate({"name": "rows"}, context={"rows": facts})


def test_it_is_fetched_and_stays_while_it_is_used(order: Order, tmp_path: Path) -> None:
    signs: list[bool] = []
    opened = open_dataset(wanted(order), order, lambda: signs.append(True))
    assert len(opened.train_labels) == order.spec["facts"]["train_images"]
    assert signs
    home = tmp_path / "here"
    assert cache.trim(home / "cache", home / "datasets", 0) == []  # the import has made room
    assert not (home / "cache" / DIGEST).exists()
    del opened
    gc.collect()
    assert cache.trim(home / "cache", home / "datasets", 0) == ["ds_1"]


def test_a_damaged_file_fails_with_words_for_its_owner(
    order: Order, s3: Server, tmp_path: Path
) -> None:
    s3.file(tmp_path.name, DIGEST).write_bytes(b"z" + CONTENT[1:])
    with pytest.raises(DatasetUnavailable, match="another digest") as told:
        open_dataset(wanted(order), order)
    assert "next version" in told.value.advice


def test_a_missing_file_fails_with_words_for_its_owner(
    order: Order, s3: Server, tmp_path: Path
) -> None:
    s3.file(tmp_path.name, DIGEST).unlink()
    with pytest.raises(DatasetUnavailable, match="is missing in s3://"):
        open_dataset(wanted(order), order)
