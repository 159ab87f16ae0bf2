"""Files of datasets without a version are removed, those of versions and of running work stay."""

import time

import pytest

from app.settings import Settings
from app.store import datasets
from app.store.database import Database
from app.store.object_folder import ObjectFolder
from app.store.uploads import Uploads
from worker import leftovers


def put(uploads: Uploads, upload: str, content: bytes) -> str:
    with uploads.receiving(upload, 0, time.time()) as file:
        file.write(content)
    return uploads.digest(upload)


def test_only_what_no_version_names_is_removed(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = ObjectFolder(settings.home.absolute() / "objects")
    uploads = Uploads(settings.uploads)
    with store.write() as connection:
        kept = datasets.create(connection, "cats", "image", {})
        gone = datasets.create(connection, "cats", "image", {})
        lost = put(uploads, gone.id, b"lost")
        there = put(uploads, kept.id, b"there")
        for version, digest in ((kept, there), (gone, lost)):
            objects.put(uploads.path(version.id), digest)
            uploads.abandon(version.id)
            datasets.uploaded(connection, version.id, digest, 5)
        datasets.remove(connection, gone.id)
        put(uploads, datasets.create(connection, "dogs", "image", {}).id, b"on its way")
    arrays = settings.home / "datasets"
    for name in (kept.id, gone.id, f"{kept.id}.partial-1", f"{gone.id}.partial-1", "mnist"):
        (arrays / name).mkdir(parents=True)
    (arrays / f"{gone.id}.lock").touch()

    assert set(leftovers.sweep(settings, store)) == {
        gone.id,
        f"{gone.id}.partial-1",
        f"{gone.id}.lock",
    }  # the files are too young
    monkeypatch.setattr(leftovers, "OBJECT_SECONDS", -60.0)
    assert leftovers.sweep(settings, store) == [lost]
    settings.cache.mkdir()
    for name in (lost, f"{lost}.used", there, f"{there}.partial"):
        (settings.cache / name).touch()
    assert set(leftovers.sweep(settings, store)) == {lost, f"{lost}.used", f"{there}.partial"}
    monkeypatch.setattr(leftovers, "UPLOAD_SECONDS", -60.0)
    (upload,) = leftovers.sweep(settings, store)
    assert upload.startswith("ds_")
    assert leftovers.sweep(settings, store) == []
    assert objects.path(there).read_bytes() == b"there"
    assert {path.name for path in arrays.iterdir()} == {kept.id, f"{kept.id}.partial-1", "mnist"}
