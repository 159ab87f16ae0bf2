"""Objects in a bucket: lost, slow and damaged answers, and what is said of one that refuses."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.settings import BadSettings, Settings
from app.store import backup, database, datasets, migrations, objects, restore
from app.store.backup import Copied
from app.store.missing_objects import Look, look
from app.store.objects import (
    DAMAGED_ATTEMPTS,
    ObjectDamaged,
    Objects,
    ObjectsUnavailable,
    fetch,
    open_objects,
    pieces,
)
from app.store.restore import RestoreRefused
from tests.s3 import BUCKET, Proxy, Server, proxy, s3, variables

__all__ = ["proxy", "s3"]

bucket = pytest.importorskip("app.store.bucket", reason="obstore is not installed")

CONTENT = random.Random(5).randbytes(3 * 2**20 + 7)
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(bucket.time, "sleep", lambda _: None)


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return tmp_path.name


@pytest.fixture
def store(proxy: Proxy, prefix: str) -> Objects:
    assert proxy.url
    return open_objects(f"s3://{BUCKET}/{prefix}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "upload"
    file.write_bytes(CONTENT)
    return file


def test_what_is_put_is_there_and_goes_when_it_is_discarded(
    store: Objects, file: Path, tmp_path: Path
) -> None:
    store.check()
    assert not store.has(DIGEST)
    store.put(file, DIGEST)
    assert store.has(DIGEST)
    assert b"".join(pieces(store, DIGEST)) == CONTENT
    assert b"".join(store.stream(DIGEST, 3_000_000)) == CONTENT[3_000_000:]
    other = sha256(b"other").hexdigest()
    (tmp_path / "other").write_bytes(b"other")
    store.put(tmp_path / "other", other)
    first, second = sorted([DIGEST, other])
    late = 2**40
    assert list(store.digests(late)) == [first, second]
    assert list(store.digests(late, first)) == [second]
    assert list(store.digests(0)) == []
    store.discard(DIGEST)
    store.discard(DIGEST)
    assert list(store.digests(late)) == [other]
    with pytest.raises(FileNotFoundError):
        next(pieces(store, DIGEST))


def test_a_large_file_goes_in_parts(
    store: Objects, s3: Server, prefix: str, tmp_path: Path
) -> None:
    content = random.Random(6).randbytes(2 * bucket.PART + 1)
    digest = sha256(content).hexdigest()
    (tmp_path / "large").write_bytes(content)
    store.put(tmp_path / "large", digest)
    assert s3.file(prefix, digest).read_bytes() == content


def test_lost_answers_are_taken_up_where_they_broke(
    store: Objects, proxy: Proxy, file: Path
) -> None:
    store.put(file, DIGEST)
    proxy.cuts = [1_000_000, 50, 900_000, 0]
    proxy.answers_503 = 5
    assert b"".join(pieces(store, DIGEST)) == CONTENT
    assert not proxy.cuts
    assert not proxy.answers_503


def test_an_answer_that_obstore_gives_up_goes_on_where_it_stopped(
    store: Objects, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(file, DIGEST)
    whole, starts = store.stream, []

    def breaking(digest: str, start: int = 0) -> Iterator[bytes]:
        starts.append(start)
        answer = whole(digest, start)
        yield next(answer)
        if len(starts) < 3:
            raise ObjectsUnavailable(store.address, "it has broken")
        yield from answer

    monkeypatch.setattr(store, "stream", breaking)
    assert b"".join(pieces(store, DIGEST)) == CONTENT
    assert starts == sorted(set(starts))


def test_a_damaged_answer_is_fetched_again(
    store: Objects, proxy: Proxy, file: Path, tmp_path: Path
) -> None:
    store.put(file, DIGEST)
    proxy.flips = [2_000_000]
    fetch(store, DIGEST, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == CONTENT
    assert not proxy.flips


def test_a_damaged_object_is_told_and_no_file_is_made(
    store: Objects, s3: Server, prefix: str, file: Path, tmp_path: Path
) -> None:
    store.put(file, DIGEST)
    damaged = bytearray(CONTENT)
    damaged[5] ^= 1
    s3.file(prefix, DIGEST).write_bytes(damaged)
    asked: list[int] = []
    (tmp_path / "made").mkdir()
    with pytest.raises(ObjectDamaged, match=DIGEST):
        fetch(store, DIGEST, tmp_path / "made" / "fetched", on_bytes=asked.append)
    begun = [late for early, late in pairwise([len(CONTENT), *asked]) if late < early]
    assert len(begun) == DAMAGED_ATTEMPTS
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(ObjectDamaged):
        assert b"".join(passed_on(store)) != CONTENT
    store.put(file, DIGEST)  # whoever sends it again mends it
    assert b"".join(pieces(store, DIGEST)) == CONTENT


def passed_on(store: Objects) -> Iterator[bytes]:
    """What is passed on of a damaged object lacks its end, so that nobody takes it for whole."""
    sent = 0
    try:
        for piece in pieces(store, DIGEST):
            sent += len(piece)
            yield piece
    finally:
        assert sent < len(CONTENT)


def test_a_put_that_the_server_refuses_for_a_while_is_made_again(
    store: Objects, proxy: Proxy, file: Path
) -> None:
    proxy.answers_503 = 4
    store.put(file, DIGEST)
    assert b"".join(pieces(store, DIGEST)) == CONTENT


def test_a_server_that_is_away_is_told_in_a_line(
    store: Objects, proxy: Proxy, file: Path, tmp_path: Path
) -> None:
    proxy.close()
    tried: list[Any] = [
        store.check,
        lambda: store.has(DIGEST),
        lambda: store.put(file, DIGEST),
        lambda: list(store.digests(0)),
        lambda: store.discard(DIGEST),
        lambda: fetch(store, DIGEST, tmp_path / "fetched", patience=0.0),
    ]
    for attempt in tried:
        with pytest.raises(ObjectsUnavailable, match="it does not answer") as told:
            attempt()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("where", "changed", "said"),
    [
        ("s3://no-such-bucket/x", {}, "there is no such bucket; make it, or set TRAIND_OBJECTS"),
        (f"s3://{BUCKET}", {"AWS_SECRET_ACCESS_KEY": "x"}, "refuses the credentials"),
        (f"s3://{BUCKET}", {"AWS_ACCESS_KEY_ID": "x"}, "(InvalidAccessKeyId); see to AWS_"),
    ],
)
@pytest.mark.usefixtures("proxy")
def test_a_bucket_that_refuses_is_told_with_what_to_set(
    where: str, changed: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ObjectsUnavailable) as told:
        open_objects(where).check()
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "address",
    ["s3://me:hidden@bucket/x", "s3://bucket?secret=hidden", "s3://", "/a/folder", "http://bucket"],
)
def test_an_address_that_is_none_is_refused_and_hides_a_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAIND_OBJECTS", address)
    with pytest.raises(BadSettings, match=r"must be .*bucket") as told:
        Settings.from_environment()
    assert "hidden" not in str(told.value)


@pytest.mark.sqlite
def test_a_backup_brings_files_of_a_bucket_and_a_restore_puts_them_back(
    store: Objects, s3: Server, prefix: str, file: Path, tmp_path: Path
) -> None:
    opened = database.connect(tmp_path / "traind.db")
    migrations.migrate(opened)
    with opened.write() as connection:
        made = datasets.create(connection, "cats", "image", {})
        store.put(file, DIGEST)
        datasets.uploaded(connection, made.id, DIGEST, len(CONTENT))
    backup.back_up(opened, tmp_path / "copy.db")
    beside = tmp_path / "copy.db.objects"
    assert backup.copy_objects(opened, store, tmp_path / "copy.db", beside) == Copied(1, [])
    assert look(store, [DIGEST, "0" * 64, "f" * 64]) == Look(3, ["0" * 64, "f" * 64])
    opened.close()
    assert (beside / "sha256" / DIGEST[:2] / DIGEST).read_bytes() == CONTENT

    home = tmp_path / "home" / "traind.db"
    store.discard(DIGEST)
    (tmp_path / "other").write_bytes(b"of another service")
    other = sha256(b"of another service").hexdigest()
    store.put(tmp_path / "other", other)
    with pytest.raises(RestoreRefused, match="1 files that the backup does not name"):
        restore.restore(tmp_path / "copy.db", home, store)
    assert s3.names(prefix) == {other}
    assert not home.exists()
    assert restore.restore(tmp_path / "copy.db", home, store, may_drop=True) == []
    assert b"".join(pieces(store, DIGEST)) == CONTENT


def test_without_obstore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    monkeypatch.delitem(sys.modules, "app.store.bucket", raising=False)
    with pytest.raises(ObjectsUnavailable, match=r"pip install 'traind\[s3\]'"):
        open_objects("s3://bucket")


def test_nothing_of_it_is_loaded_for_a_folder() -> None:
    program = (
        "import sys; from pathlib import Path; from app.store.objects import open_objects; "
        "import worker.cache; open_objects(Path('x')); "
        "print([each for each in sys.modules if each.startswith('obstore')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_a_port_without_a_server_does_not_hold_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes connections and says nothing."""
    monkeypatch.setattr(bucket, "BRIEF_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name, value in variables(f"http://127.0.0.1:{silent.getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ObjectsUnavailable, match="does not answer"):
            open_objects(f"s3://{BUCKET}/{tmp_path.name}").check()
    assert os.environ["AWS_REGION"]
