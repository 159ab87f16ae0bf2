"""Archives of honest and of hostile programs: what their headers claim, and what they hold."""

import bz2
import gzip
import io
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.imports.pictures import encoded, here, of_classes, picture, refused, tarred, zipped
from worker.imports import archives, zips
from worker.imports.archives import Damaged
from worker.imports.refusals import Refusal
from worker.imports.tars import Tar
from worker.imports.zips import Zip

PETS = of_classes("cat", "dog")


def with_entry(path: Path, entry: tarfile.TarInfo, content: bytes = b"") -> Path:
    entry.size = entry.size or len(content)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, each in PETS.items():
            sound = tarfile.TarInfo(name)
            sound.size = len(each)
            archive.addfile(sound, io.BytesIO(each))
        archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_packed_tar_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(archives, "SMALL_ARCHIVE", 2**20)
    entry = tarfile.TarInfo("cat/bomb.png")
    entry.size = 2**25
    bomb = pack(entry.tobuf() + bytes(entry.size + 1024))
    (tmp_path / "a").write_bytes(bomb)
    assert "200 times its size" in refused(tmp_path / "a", tmp_path / "ds").message


def test_entries_that_share_their_bytes_count_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No entry claims too much; what they unpack to together is too much."""
    monkeypatch.setattr(archives, "SMALL_ARCHIVE", 2**20)
    source = zipped(tmp_path / "a.zip", {"cat/1.png": bytes(2**16), "cat/2.png": b""})
    with zipfile.ZipFile(source, "a") as archive:
        first = archive.infolist()[0]
        for number in range(10_000):
            entry = zipfile.ZipInfo(f"cat/{number}.bmp")
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.file_size = entry.compress_size = first.file_size
            entry.orig_filename = first.orig_filename  # as the local header says
            archive.filelist.append(entry)
        archive._didModify = True
    with closing(Zip(source)) as found, pytest.raises(Refusal, match="200 times its size"):
        list(found.contents(lambda _: True))


def test_long_headers_of_a_tar_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """tarfile reads such headers into memory, in a time that grows with their square."""
    entry = tarfile.TarInfo("cat/last.png")
    entry.pax_headers = {"comment": "1" * 2**18}
    source = with_entry(tmp_path / "a.tar", entry)
    assert "64 KiB between two entries" in refused(source, tmp_path / "ds").message


def test_long_names_of_a_tar_are_read(tmp_path: Path) -> None:
    deep = "/".join(["cat", *("d" * 90 for _ in range(9)), "x.png"])
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=kind) as archive:
            entry = tarfile.TarInfo(deep)
            archive.addfile(entry, io.BytesIO())
        assert Tar(tmp_path / "a.tar").names == [deep]


def test_sparse_files_in_a_tar_are_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("cat/sparse.png")
    entry.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(2**40),
    }
    source = with_entry(tmp_path / "a.tar", entry, b"x")
    assert refused(source, tmp_path / "ds").code == "unsafe_archive"


def test_a_negative_size_in_a_tar_is_refused(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("cat/1.png").tobuf())
    header[124:136] = b"\xff" * 12  # base 256, as GNU tar writes large numbers
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(header + bytes(1024))
    assert refused(tmp_path / "a.tar", tmp_path / "ds").code in {"unsafe_archive", "damaged_file"}


def test_a_folder_may_come_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in PETS.items():
            folder = tarfile.TarInfo("cat")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert here(tmp_path / "a.tar", tmp_path / "ds").report["images"] == 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("cat/1.png", bytes(1000))
    refusal = refused(tmp_path / "a.zip", tmp_path / "ds")
    assert refusal.code == "unknown_format"
    assert "deflate" in refusal.message


def test_a_table_of_contents_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    monkeypatch.setattr(zips, "MAX_READ", 500)
    assert "table of contents" in refused(source, tmp_path / "ds").message


def test_a_size_that_is_no_true_one_damages_the_entry_only(tmp_path: Path) -> None:
    """A header may say less or more than there is: neither is believed."""
    source = zipped(tmp_path / "a.zip", PETS)
    for wrong in (5, 4_000_000):
        content = bytearray(source.read_bytes())
        at = content.find(b"PK\1\2")
        content[at + 24 : at + 28] = struct.pack("<I", wrong)
        (tmp_path / "b.zip").write_bytes(content)
        with closing(Zip(tmp_path / "b.zip")) as found:
            (first, *others) = found.contents(lambda _: True)
        assert isinstance(first[1], Damaged)
        assert not any(isinstance(each, Damaged) for _, each in others)


def test_a_large_zip_in_the_form_zip64_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in PETS.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    assert here(tmp_path / "a.zip", tmp_path / "ds").report["images"] == 20


def test_names_in_utf_8_without_the_flag_are_understood(tmp_path: Path) -> None:
    """As the archiver of macOS writes them, letters and accents apart (NFD)."""
    called = unicodedata.normalize("NFD", "Kätzchen 子猫")
    source = zipped(tmp_path / "a.zip", of_classes(called, "dog"))
    content = bytearray(source.read_bytes())
    for magic, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = -1
        while (at := content.find(magic, at + 1)) >= 0:
            content[at + flags + 1] &= ~0x08
    (tmp_path / "b.zip").write_bytes(content)
    for file in ("a.zip", "b.zip"):
        report = here(tmp_path / file, tmp_path / file[0]).report
        assert [each["name"] for each in report["classes"]] == ["Kätzchen 子猫", "dog"]


def test_names_that_are_no_text_are_shown_and_kept_apart(tmp_path: Path) -> None:
    """A tar's names may be any bytes."""
    files = {name.replace("cat", "c\udcff").replace("dog", "c\udcfe"): PETS[name] for name in PETS}
    tarred(tmp_path / "a.tar", files, "w")
    done = here(tmp_path / "a.tar", tmp_path / "ds")
    assert [each["name"] for each in done.report["classes"]] == ["c\\xfe", "c\\xff"]


def test_control_characters_do_not_reach_names(tmp_path: Path) -> None:
    files = of_classes("a\nb", "c\x1b[31m")
    done = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    assert [each["name"] for each in done.report["classes"]] == ["a�b", "c�[31m"]


def test_classes_that_differ_in_control_characters_alone_are_refused(tmp_path: Path) -> None:
    files = of_classes("a\x01b", "a\x02b", "c")
    refusal = refused(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    assert refusal.code == "wrong_label"
    assert "'a\\x01b' and 'a\\x02b'" in refusal.message


def test_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    source.write_bytes(source.read_bytes().replace(b"cat/1.png", b"cat/\0.png"))
    assert refused(source, tmp_path / "ds").code == "unsafe_archive"


def test_a_backslash_parts_folders(tmp_path: Path) -> None:
    files = {name.replace("/", "\\"): content for name, content in PETS.items()}
    assert here(zipped(tmp_path / "a.zip", files), tmp_path / "ds").report["images"] == 20


def test_a_damaged_entry_is_left_out_by_name(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", PETS)
    content = bytearray(source.read_bytes())
    content[content.find(b"cat/3.png") + 60] ^= 1
    source.write_bytes(content)
    report = here(source, tmp_path / "ds").report
    (left_out,) = report["left_out"]["files"]
    assert left_out["name"] == "cat/3.png"
    assert "CRC" in left_out["reason"]


@pytest.mark.parametrize(
    "names",
    [
        ["data/train-00000-of-00001.parquet"],
        ["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
        ["a.parquet", "b.PARQUET"],
        ["train/a.parquet", "test/b.parquet"],
    ],
)
def test_packed_parquet_files_are_named_with_what_to_send(tmp_path: Path, names: list[str]) -> None:
    source = zipped(tmp_path / "a.zip", dict.fromkeys(names, b"PAR1" + bytes(20) + b"PAR1"))
    refusal = refused(source, tmp_path / "ds", label="breed")
    assert refusal.code == "unknown_format"
    assert next(name for name in names if name != "README.md") in refusal.message
    assert "one Parquet file itself" in refusal.advice


def test_parquet_beside_pictures_is_left_out(tmp_path: Path) -> None:
    files = of_classes("cats", "dogs") | {"cats/a.parquet": b"PAR1"}
    report = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds").report
    assert [each["name"] for each in report["left_out"]["files"]] == ["cats/a.parquet"]


def test_archives_in_an_archive_are_no_pictures(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", PETS).read_bytes()
    source = zipped(tmp_path / "a.zip", PETS | {"cat/more.zip": inner})
    (left_out,) = here(source, tmp_path / "ds").report["left_out"]["files"]
    assert left_out["name"] == "cat/more.zip"


def test_a_picture_that_is_too_large_to_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 5000)
    files = PETS | {"cat/large.png": encoded(picture(1, 1, 64))}
    for pack in (zipped, tarred):
        (left_out,) = here(pack(tmp_path / "a", files), tmp_path / "ds").report["left_out"]["files"]
        assert left_out["name"] == "cat/large.png"


@pytest.mark.parametrize("content", [b"", b"x", b"%PDF-1.7", b"PK\3\4", b"PAR1", b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert refused(tmp_path / "a", tmp_path / "ds").code in {"unknown_format", "damaged_file"}
