"""Uploaded files: written where the last part ended, kept once, gone when they are deleted."""

import errno
import math
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from app.api.uploads import _finish as finish
from app.store import backup, datasets, missing_objects
from app.store.backup import Copied, Lacking
from app.store.database import Database
from app.store.disk import FolderUnwritable
from app.store.errors import StorageFull, StoreError, UploadBusy, UploadMisplaced
from app.store.missing_objects import Look, look
from app.store.object_folder import ObjectFolder
from app.store.uploads import Uploads


@pytest.fixture
def objects(tmp_path: Path) -> ObjectFolder:
    return ObjectFolder(tmp_path / "objects")


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "objects" / "uploads")


def write(uploads: Uploads, upload: str, offset: int, content: bytes) -> None:
    with uploads.receiving(upload, offset, time.time()) as file:
        file.write(content)


def test_a_file_grows_part_by_part_and_is_cut_where_one_begins_again(
    objects: ObjectFolder, uploads: Uploads
) -> None:
    assert uploads.received("ds_1") == 0
    write(uploads, "ds_1", 0, b"hello, wxyz")
    write(uploads, "ds_1", 7, b"world")
    assert uploads.received("ds_1") == 12
    digest = uploads.digest("ds_1")
    assert digest == sha256(b"hello, world").hexdigest()
    objects.put(uploads.path("ds_1"), digest)
    assert uploads.received("ds_1") == 12  # until its row is written
    uploads.abandon("ds_1")
    assert uploads.received("ds_1") == 0
    assert objects.path(digest).read_bytes() == b"hello, world"


def test_no_hole_comes_into_a_file(uploads: Uploads) -> None:
    write(uploads, "ds_1", 0, b"hello")
    with (
        pytest.raises(UploadMisplaced, match="begins at 5") as caught,
        uploads.receiving("ds_1", 6, time.time()),
    ):
        pass
    assert caught.value.offset == 5
    assert uploads.received("ds_1") == 5


def test_a_request_that_was_overtaken_cuts_nothing_off(uploads: Uploads) -> None:
    late = time.time()
    write(uploads, "ds_1", 0, b"hello")
    with (
        pytest.raises(UploadMisplaced, match="begins at 5"),
        uploads.receiving("ds_1", 0, late),
    ):
        pass
    assert uploads.received("ds_1") == 5
    write(uploads, "ds_1", 0, b"bye")  # its client begins anew
    assert uploads.received("ds_1") == 3


def test_two_requests_do_not_write_one_file(uploads: Uploads) -> None:
    with (
        uploads.receiving("ds_1", 0, time.time()) as file,
        pytest.raises(UploadBusy, match="ds_1"),
        uploads.receiving("ds_1", 0, time.time()),
    ):
        file.write(b"never")
    write(uploads, "ds_1", 0, b"now it is free")


@pytest.mark.parametrize("refused", ["mkdir", "open", "hardlink_to"])
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, FolderUnwritable),
        (errno.EACCES, FolderUnwritable),
    ],
)
def test_a_disk_that_takes_no_file_is_told_whatever_it_refuses(
    objects: ObjectFolder,
    uploads: Uploads,
    monkeypatch: pytest.MonkeyPatch,
    *,
    refused: str,
    number: int,
    told: type[StoreError],
) -> None:
    """A disk without inodes has room for bytes, and none for a file or a folder."""
    if refused == "hardlink_to":
        write(uploads, "ds_1", 0, b"hello")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, refused, refuse)
    with pytest.raises(told) as caught:
        if refused == "hardlink_to":
            objects.put(uploads.path("ds_1"), uploads.digest("ds_1"))
        else:
            write(uploads, "ds_1", 0, b"hello")
    if told is FolderUnwritable:
        place = "objects/sha256" if refused == "hardlink_to" else "objects/uploads"
        words = f"TRAIND_HOME/{place} cannot be written to ({os.strerror(number)}): make it"
        assert str(caught.value).startswith(words)


def test_the_same_bytes_are_stored_once(
    objects: ObjectFolder, uploads: Uploads, tmp_path: Path
) -> None:
    for upload in ("ds_1", "ds_2"):
        write(uploads, upload, 0, b"same")
        objects.put(uploads.path(upload), uploads.digest(upload))
        uploads.abandon(upload)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [objects.path(sha256(b"same").hexdigest())]
    objects.discard(files[0].name)
    objects.discard(files[0].name)
    assert not files[0].exists()


@pytest.mark.sqlite
def test_a_backup_brings_the_files_that_its_rows_name(
    store: Database, objects: ObjectFolder, uploads: Uploads, tmp_path: Path
) -> None:
    digests = []
    with store.write() as connection:
        for content in (b"first", b"second", b"first"):
            made = datasets.create(connection, "cats", "image", {})
            write(uploads, made.id, 0, content)
            digests.append(uploads.digest(made.id))
            objects.put(uploads.path(made.id), digests[-1])
            datasets.uploaded(connection, made.id, digests[-1], len(content))
        write(uploads, "ds_lost", 0, b"named by no row")
        objects.put(uploads.path("ds_lost"), uploads.digest("ds_lost"))
    copies = ObjectFolder(tmp_path / "copy.db.objects")
    backup.back_up(store, tmp_path / "copy.db")
    to = tmp_path / "copy.db.objects"
    assert backup.copy_objects(store, objects, tmp_path / "copy.db", to) == Copied(2, [])
    assert [copies.path(digest).read_bytes() for digest in digests[:2]] == [b"first", b"second"]
    assert len([path for path in (tmp_path / "copy.db.objects").rglob("*") if path.is_file()]) == 2
    copies.path(digests[0]).unlink()  # the next backup adds what is missing
    backup.copy_objects(store, objects, tmp_path / "copy.db", to)
    assert copies.path(digests[0]).read_bytes() == b"first"


@pytest.mark.sqlite
def test_a_backup_tells_which_files_are_lost_and_has_the_others(
    store: Database, objects: ObjectFolder, uploads: Uploads, tmp_path: Path
) -> None:
    with store.write() as connection:
        for content in (b"lost", b"damaged", b"deleted", b"kept"):
            made = datasets.create(connection, content.decode(), "image", {})
            write(uploads, made.id, 0, content)
            objects.put(uploads.path(made.id), uploads.digest(made.id))
            datasets.uploaded(connection, made.id, uploads.digest(made.id), len(content))
    digests = {each: sha256(each.encode()).hexdigest() for each in ("lost", "damaged", "kept")}
    backup.back_up(store, tmp_path / "copy.db")
    with store.write() as connection:  # its file goes between the two copies, and nobody misses it
        datasets.remove(connection, "deleted@1")
    objects.discard(sha256(b"deleted").hexdigest())
    objects.discard(digests["lost"])
    there = objects.path(digests["damaged"])
    there.unlink()
    there.write_bytes(b"other bytes")
    copied = backup.copy_objects(store, objects, tmp_path / "copy.db", tmp_path / "copies")
    assert copied.files == 1
    assert sorted(copied.lacking, key=lambda each: each.is_damaged) == [
        Lacking(digests["lost"], ["lost@1"], is_damaged=False),
        Lacking(digests["damaged"], ["damaged@1"], is_damaged=True),
    ]
    copies = ObjectFolder(tmp_path / "copies")
    assert list(copies.digests(before=math.inf)) == [digests["kept"]]


def test_a_look_that_takes_long_tells_how_far_it_came(
    objects: ObjectFolder, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"one", b"two", b"three"):
        write(uploads, "ds_1", 0, content)
        objects.put(uploads.path("ds_1"), uploads.digest("ds_1"))
        uploads.abandon("ds_1")
    there = list(objects.digests(before=math.inf))
    wanted = ["0" * 64, *there, "f" * 64]
    assert look(objects, wanted) == Look(5, ["0" * 64, "f" * 64])
    monkeypatch.setattr(missing_objects, "LOOK_SECONDS", -1.0)
    assert look(objects, wanted) == Look(2, ["0" * 64])


def test_an_object_that_is_removed_before_it_is_named_is_put_again(
    store: Database, objects: ObjectFolder, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last other version of the same bytes is deleted at that moment."""
    with store.write() as connection:
        made = datasets.create(connection, "cats", "image", {})
    write(uploads, made.id, 0, b"content")
    digest = sha256(b"content").hexdigest()
    has, asked = objects.has, []

    def removed_once(digest: str) -> bool:
        if not asked:
            objects.discard(digest)
        asked.append(digest)
        return has(digest)

    monkeypatch.setattr(objects, "has", removed_once)
    shown = finish(store, objects, uploads, dataset=made, size=7, wanted=None)
    assert shown.status == "queued"
    assert asked == [digest, digest]
    assert objects.path(digest).read_bytes() == b"content"
    assert uploads.received(made.id) == 0
