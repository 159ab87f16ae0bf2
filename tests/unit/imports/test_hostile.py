"""Archives that mean harm, and archives that are damaged: refused, or read, and nothing else."""

import json
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.imports.pictures import (
    as_parquet,
    encoded,
    imported,
    loaded,
    of_classes,
    picture,
    tarred,
    zipped,
)
from worker.imports import archives
from worker.imports.refusals import Refusal

PETS = of_classes("cat", "dog", each=6)
TABLE = "\n".join(["file_name,label", *(f"{name},{name[:3]}" for name in PETS)]).encode()
DESCRIBED = {"metadata.csv": TABLE} | PETS


def saved(path: Path) -> Path:
    pixels = np.stack([np.asarray(picture(n, n % 2)) for n in range(12)])
    with path.open("wb") as file:
        np.savez(file, images=pixels, labels=np.arange(12) % 2)
    return path


@pytest.mark.parametrize(
    "name",
    ["../../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\..\\evil.png", "C:\\evil.png"],
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_lead_outside_are_refused(
    tmp_path: Path, name: str, pack: Callable[..., Path]
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    source = pack(tmp_path / "archive", PETS | {name: encoded(picture(1, 1))})
    assert imported(source, inside / "ds").refusal == "unsafe_archive"
    assert not list(tmp_path.rglob("evil*"))


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        source = tarred(tmp_path / "a.tar", PETS, "w")
        with tarfile.open(source, "a") as archive:
            entry = tarfile.TarInfo("cat/link.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        assert imported(source, tmp_path / "ds").refusal == "unsafe_archive"


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    with zipfile.ZipFile(source, "a") as archive:
        entry = zipfile.ZipInfo("cat/link.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert imported(source, tmp_path / "ds").refusal == "unsafe_archive"


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    with zipfile.ZipFile(source, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("cat/1.png", b"another")
    assert imported(source, tmp_path / "ds").refusal == "unsafe_archive"


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    content = bytearray(source.read_bytes())
    at = 0
    while (at := content.find(b"PK\1\2", at)) >= 0:
        content[at + 8] |= 1
        at += 4
    source.write_bytes(content)
    assert imported(source, tmp_path / "ds").refusal == "unsafe_archive"


def test_bombs_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ratio.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/bomb.png", bytes(2**26))
    entry = tarfile.TarInfo("cat/huge.png")
    entry.size = 2**50
    (tmp_path / "huge.tar").write_bytes(entry.tobuf() + bytes(1024))
    for bomb in ("ratio.zip", "huge.tar"):
        assert imported(tmp_path / bomb, tmp_path / "ds").refusal == "unsafe_archive"


def test_overlapping_entries_unpack_to_nothing(tmp_path: Path) -> None:
    """Fifield 2019, "A better zip bomb": many directory entries name one piece of data."""
    packed = zlib.compress(bytes(2**21), 9)[2:-4]
    name, count = b"0", 2000
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), 2**21, 1, 0)
    body = local + name + packed
    entries = b""
    for number in range(count):
        called = f"c{number % 2}/{number}.png".encode()
        entries += struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(packed), 2**21,
            len(called), 0, 0, 0, 0, 0, 0,
        ) + called  # fmt: skip
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(entries), len(body), 0)
    (tmp_path / "a.zip").write_bytes(body + entries + end)
    assert imported(tmp_path / "a.zip", tmp_path / "ds").refusal is not None


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    checks = archives.Checks()
    for number in range(3):
        checks.entry(str(number), 0)
    with pytest.raises(Refusal, match="more than 3 entries"):
        checks.entry("3", 0)


def test_a_picture_of_too_many_pixels_is_left_out_before_it_is_decoded(tmp_path: Path) -> None:
    bomb = Image.new("1", (20_000, 20_000))
    source = zipped(tmp_path / "a.zip", PETS | {"cat/bomb.png": encoded(bomb)})
    done = imported(source, tmp_path / "ds", memory_mb=700)
    (left_out,) = done.report["left_out"]["files"]
    assert "8192" in left_out["reason"]


def test_a_pickle_in_an_npz_is_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {tmp_path}/evil",)

    np.savez(tmp_path / "a.npz", images=np.array([Evil()]), labels=np.array(["x"]))
    assert imported(tmp_path / "a.npz", tmp_path / "ds").refusal == "unfit_arrays"
    assert not (tmp_path / "evil").exists()


def test_arrays_that_claim_more_than_there_is_are_refused(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 64, 64), }\n"
    array = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(100)
    source = zipped(tmp_path / "a.npz", {"images.npy": array, "labels.npy": array})
    assert imported(source, tmp_path / "ds").refusal == "damaged_file"


def test_memory_stays_within_its_limit(tmp_path: Path) -> None:
    """More pixels than the limit has bytes: they are on the disk."""
    colours = [
        encoded(Image.new("RGB", (512, 512), (n % 256, n // 2 % 256, 9))) for n in range(400)
    ]
    files = {f"{n % 2}/{n}.png": content for n, content in enumerate(colours)}
    source = zipped(tmp_path / "a.zip", files)
    done = imported(source, tmp_path / "ds", image={"size": 512}, memory_mb=250)
    assert done.facts["train_images"] == 320


def test_what_takes_more_memory_than_the_limit_is_refused(tmp_path: Path) -> None:
    """A picture of the largest sides takes 200 MB as pixels."""
    large = encoded(Image.new("RGB", (8192, 8192)))
    source = zipped(tmp_path / "a.zip", PETS | {"cat/large.png": large})
    assert imported(source, tmp_path / "ds", memory_mb=256).refusal == "out_of_memory"
    assert imported(source, tmp_path / "ds").report["images"] == 13


SOUND = {
    "zip": lambda path: zipped(path, PETS),
    "described": lambda path: zipped(path, DESCRIBED),
    "tar": lambda path: tarred(path, PETS, "w"),
    "tar.gz": lambda path: tarred(path, PETS),
    "tar.xz": lambda path: tarred(path, PETS, "w:xz"),
    "parquet": lambda path: as_parquet(path, PETS),
    "npz": saved,
}
AT_ONCE = 100
"""Files that one process imports."""


@pytest.mark.timeout(3600)
def test_damaged_files_are_refused_or_read(
    tmp_path: Path, seed: int, repeated: Callable[..., int]
) -> None:
    """Bytes are changed, cut and doubled at random places of every container."""
    chance = random.Random(seed)
    sound = [make(tmp_path / name).read_bytes() for name, make in SOUND.items()]
    folders = []
    for number in range(repeated(2000, 5)):
        folder = tmp_path / f"case-{number}"
        folder.mkdir()
        (folder / "source").write_bytes(mutated(sound[number % len(sound)], chance))
        folders.append(folder)
    outcomes: dict[str, str] = {}
    for start in range(0, len(folders), AT_ONCE):
        some = [str(folder) for folder in folders[start : start + AT_ONCE]]
        done = subprocess.run(
            [sys.executable, "-m", "tests.unit.imports.many", *some],
            stdout=subprocess.PIPE,
            check=True,
        )
        outcomes |= dict(json.loads(line) for line in done.stdout.splitlines())
    assert len(outcomes) == len(folders)
    for folder in folders:
        how = outcomes[str(folder)]
        assert "Traceback" not in how, (folder, how)
        whole = {"ds"} if how == "imported" else set()
        assert {each.name for each in folder.iterdir()} - {"ds.lock"} == {"source"} | whole
        if whole:
            loaded(folder / "ds")
    assert {"imported", "damaged_file"} < set(outcomes.values())


def mutated(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 30))):
        at, count = chance.randrange(len(changed)), chance.randrange(1, 50)
        match chance.choice(("change", "change", "cut", "double", "zero", "end")):
            case "change":
                changed[at] = chance.randrange(256)
            case "cut":
                del changed[at : at + count]
            case "double":
                changed[at:at] = changed[at : at + count]
            case "zero":
                changed[at : at + count] = bytes(count)
            case "end" if chance.random() < 0.1:
                del changed[at:]
        if len(changed) < 16:
            break
    return bytes(changed)
