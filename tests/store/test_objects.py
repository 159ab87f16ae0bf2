"""Uploaded files: written where the last part ended, kept once, gone when they are deleted."""

from hashlib import sha256
from pathlib import Path

import pytest

from app.store import backup, datasets
from app.store.database import Database
from app.store.errors import UploadBusy, UploadMisplaced
from app.store.objects import Objects


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def write(objects: Objects, upload: str, offset: int, content: bytes) -> None:
    with objects.receiving(upload, offset) as file:
        file.write(content)


def test_a_file_grows_part_by_part_and_is_cut_where_one_begins_again(objects: Objects) -> None:
    assert objects.received("ds_1") == 0
    write(objects, "ds_1", 0, b"hello, wxyz")
    write(objects, "ds_1", 7, b"world")
    assert objects.received("ds_1") == 12
    digest = objects.digest("ds_1")
    assert digest == sha256(b"hello, world").hexdigest()
    objects.keep("ds_1", digest)
    assert objects.received("ds_1") == 12  # until its row is written
    objects.abandon("ds_1")
    assert objects.received("ds_1") == 0
    assert objects.path(digest).read_bytes() == b"hello, world"


def test_no_hole_comes_into_a_file(objects: Objects) -> None:
    write(objects, "ds_1", 0, b"hello")
    with (
        pytest.raises(UploadMisplaced, match="begins at 5") as caught,
        objects.receiving("ds_1", 6),
    ):
        pass
    assert caught.value.offset == 5
    assert objects.received("ds_1") == 5


def test_two_requests_do_not_write_one_file(objects: Objects) -> None:
    with (
        objects.receiving("ds_1", 0) as file,
        pytest.raises(UploadBusy, match="ds_1"),
        objects.receiving("ds_1", 0),
    ):
        file.write(b"never")
    write(objects, "ds_1", 0, b"now it is free")


def test_the_same_bytes_are_stored_once(objects: Objects, tmp_path: Path) -> None:
    for upload in ("ds_1", "ds_2"):
        write(objects, upload, 0, b"same")
        objects.keep(upload, objects.digest(upload))
        objects.abandon(upload)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [objects.path(sha256(b"same").hexdigest())]
    objects.discard(files[0].name)
    objects.discard(files[0].name)
    assert not files[0].exists()


@pytest.mark.sqlite
def test_a_backup_brings_the_files_that_its_rows_name(
    store: Database, objects: Objects, tmp_path: Path
) -> None:
    digests = []
    with store.write() as connection:
        for content in (b"first", b"second", b"first"):
            made = datasets.create(connection, "cats", "image", {})
            write(objects, made.id, 0, content)
            digests.append(objects.digest(made.id))
            objects.keep(made.id, digests[-1])
            datasets.uploaded(connection, made.id, digests[-1], len(content))
        write(objects, "ds_lost", 0, b"named by no row")
        objects.keep("ds_lost", objects.digest("ds_lost"))
    copies = Objects(tmp_path / "copy.db.objects")
    backup.back_up(store, tmp_path / "copy.db")
    assert backup.copy_objects(objects, tmp_path / "copy.db", tmp_path / "copy.db.objects") == 2
    assert [copies.path(digest).read_bytes() for digest in digests[:2]] == [b"first", b"second"]
    assert len([path for path in (tmp_path / "copy.db.objects").rglob("*") if path.is_file()]) == 2
    copies.path(digests[0]).unlink()  # the next backup adds what is missing
    backup.copy_objects(objects, tmp_path / "copy.db", tmp_path / "copy.db.objects")
    assert copies.path(digests[0]).read_bytes() == b"first"
