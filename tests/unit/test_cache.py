"""Fetched files and decoded arrays of a worker: one fetch for all, a limit, nothing in use goes."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from app.store import objects
from app.store.object_errors import ObjectsUnavailable
from app.store.objects import open_objects
from tests.s3 import BUCKET, Proxy, proxy, s3
from worker import cache
from worker.imports.messages import Stored
from worker.in_use import mark, remove_unused

__all__ = ["proxy", "s3"]

CONTENT = random.Random(7).randbytes(2 * 2**20)
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(objects, "LONGEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def stored(proxy: Proxy, tmp_path: Path) -> Stored:
    assert proxy.url
    address = f"s3://{BUCKET}/{tmp_path.name}"
    (tmp_path / "upload").write_bytes(CONTENT)
    open_objects(address).put(tmp_path / "upload", DIGEST)
    return Stored(address, DIGEST, len(CONTENT), str(tmp_path / "cache"), 10 * len(CONTENT))


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


def held(home: Path, name: str, size: int, used_at: float) -> Path:
    """Something of this size that was used then."""
    path = home / name
    if name.startswith("ds_"):
        path.mkdir(parents=True)
        (path / "train_images.npy").write_bytes(b"x" * size)
    else:
        home.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
    mark(path).close()
    os.utime(f"{path}.used", (used_at, used_at))
    return path


def test_two_who_want_a_file_fetch_it_once(stored: Stored, arrays: Path, proxy: Proxy) -> None:
    proxy.delay = 0.002
    before = proxy.requests
    both = threading.Barrier(2)

    def want() -> bytes:
        both.wait()
        with cache.fetched(stored, arrays, lambda _: None) as file:
            return file.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        wanted = [pool.submit(want) for _ in range(2)]
        assert [each.result() == CONTENT for each in wanted] == [True, True]
    assert proxy.requests == before + 1


def test_a_file_that_has_changed_on_the_disk_is_fetched_again(stored: Stored, arrays: Path) -> None:
    for _ in range(2):
        with cache.fetched(stored, arrays, lambda _: None) as file:
            assert file.read_bytes() == CONTENT
        file.write_bytes(b"x" + CONTENT[1:])


def test_a_slow_or_absent_bucket_is_waited_for_with_signs_of_life(
    stored: Stored, arrays: Path, proxy: Proxy
) -> None:
    proxy.answers_503 = 30
    told: list[int] = []
    with cache.fetched(stored, arrays, told.append) as file:
        assert file.read_bytes() == CONTENT
    assert told.count(0) > 5
    assert not proxy.answers_503


def test_the_waiting_ends_when_nobody_wants_it_any_more(
    stored: Stored, arrays: Path, proxy: Proxy
) -> None:
    proxy.answers_503 = 10**9

    def stop(_received: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), cache.fetched(stored, arrays, stop):
        pass
    assert [each.name for each in Path(stored.cache).glob("*.partial")] == []


def test_a_bucket_that_stays_away_is_told(
    stored: Stored, arrays: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.answers_503 = 10**9
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.0)
    with (
        pytest.raises(ObjectsUnavailable, match="it answers 503"),
        cache.fetched(stored, arrays, lambda _: None),
    ):
        pass


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    files, arrays = tmp_path / "cache", tmp_path / "datasets"
    held(files, "a" * 64, 100, 1.0)
    held(arrays, "ds_b", 100, 2.0)
    held(files, "c" * 64, 100, 3.0)
    held(arrays, "ds_d", 100, 4.0)
    (arrays / "mnist").mkdir()
    (arrays / "mnist" / "train_images.npy").write_bytes(b"x" * 10_000)
    assert cache.trim(files, arrays, 400) == []
    assert cache.trim(files, arrays, 250) == ["a" * 64, "ds_b"]
    with mark(files / ("c" * 64)):
        assert cache.trim(files, arrays, 0) == ["ds_d"]
    assert (files / ("c" * 64)).exists()
    assert cache.trim(files, arrays, 0) == ["c" * 64]
    assert (arrays / "mnist").exists()
    assert not list(arrays.glob("ds_*.partial*"))


def test_room_is_made_before_a_file_is_fetched(stored: Stored, arrays: Path) -> None:
    limit = stored.cache_bytes
    old = held(arrays, "ds_old", limit, 1.0)
    with cache.fetched(stored, arrays, lambda _: None) as file:
        assert not old.exists()
        assert cache.trim(file.parent, arrays, 0) == []  # it is in use
    assert cache.trim(file.parent, arrays, 0) == [DIGEST]


def test_who_wants_what_is_being_removed_waits(tmp_path: Path) -> None:
    folder = held(tmp_path, "ds_x", 10, 1.0)
    with mark(folder), mark(folder):
        assert not remove_unused(folder)
    assert remove_unused(folder)
    assert not folder.exists()
    mark(folder).close()
