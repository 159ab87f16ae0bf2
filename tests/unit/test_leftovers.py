"""Files of datasets without a version are removed, those of versions and of running work stay."""

import pytest

from app.settings import Settings
from app.store import datasets
from app.store.database import Database
from app.store.objects import Objects
from worker import leftovers


def put(objects: Objects, upload: str, content: bytes) -> str:
    with objects.receiving(upload, 0) as file:
        file.write(content)
    return objects.digest(upload)


def test_only_what_no_version_names_is_removed(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(settings.objects)
    with store.write() as connection:
        kept = datasets.create(connection, "cats", "image", {})
        gone = datasets.create(connection, "cats", "image", {})
        lost = put(objects, gone.id, b"lost")
        there = put(objects, kept.id, b"there")
        for version, digest in ((kept, there), (gone, lost)):
            objects.keep(version.id, digest)
            objects.abandon(version.id)
            datasets.uploaded(connection, version.id, digest, 5)
        datasets.remove(connection, gone.id)
        put(objects, datasets.create(connection, "dogs", "image", {}).id, b"on its way")
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
    monkeypatch.setattr(leftovers, "UPLOAD_SECONDS", -60.0)
    (upload,) = leftovers.sweep(settings, store)
    assert upload.startswith("ds_")
    assert leftovers.sweep(settings, store) == []
    assert objects.path(there).read_bytes() == b"there"
    assert {path.name for path in arrays.iterdir()} == {kept.id, f"{kept.id}.partial-1", "mnist"}
