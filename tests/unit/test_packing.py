"""A folder as a zip: the same bytes for the same folder, whatever its dates and hidden files."""

import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from traind.packing import CannotPack, NothingToPack, packed


def fill(folder: Path) -> None:
    for name, content in {"b/2.png": b"two", "a b/ü&.png": b"one", "labels.csv": b"x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        fill(folder)
        os.utime(folder / "b" / "2.png", (len(made), len(made)))
        with packed(folder) as archive:
            made.append(archive.read_bytes())
            with ZipFile(archive) as opened:
                assert opened.testzip() is None
                assert opened.namelist() == ["a b/ü&.png", "b/2.png", "labels.csv"]
        assert not archive.exists()
    assert made[0] == made[1]


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / ".DS_Store").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    (tmp_path / ".#lock").symlink_to(tmp_path / "nowhere")
    with packed(tmp_path) as archive, ZipFile(archive) as opened:
        assert opened.namelist() == ["a b/ü&.png", "b/2.png", "labels.csv"]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    """A class may be a link to a folder elsewhere, and two may lead to the same."""
    fill(tmp_path / "a")
    (tmp_path / "cats" / "more").mkdir(parents=True)
    (tmp_path / "cats" / "more" / "3.png").write_bytes(b"three")
    for name in ("cat", "tom"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "cats")
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "a" / "b" / "2.png")
    with packed(tmp_path / "a") as archive, ZipFile(archive) as opened:
        linked = ["cat/more/3.png", "labels.csv", "linked.png", "tom/more/3.png"]
        assert opened.namelist() == ["a b/ü&.png", "b/2.png", *linked]
        assert opened.read("tom/more/3.png") == b"three"
        assert opened.read("linked.png") == b"two"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", "broken link"),
        ("odd", "broken link"),
        (".", "leads back"),
        ("../../a", "leads back"),
    ],
)
def test_links_that_lead_nowhere_are_refused(tmp_path: Path, target: str, reason: str) -> None:
    """A class that is missing without a word spoils the dataset."""
    fill(tmp_path / "a")
    link = tmp_path / "a" / "b" / "odd"
    link.symlink_to(target)
    with pytest.raises(CannotPack, match=reason) as refused, packed(tmp_path / "a"):
        pass
    assert str(link) in str(refused.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    os.mkfifo(tmp_path / "b" / "pipe")
    with pytest.raises(CannotPack, match="pipe is neither"), packed(tmp_path):
        pass

    def closed(folder: Path) -> None:  # the tests may run as root, who may read everything
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(PermissionError, match=str(tmp_path)), packed(tmp_path):
        pass


@pytest.mark.parametrize("name", [b"\xff.png", b"caf\xe9"])
def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path, name: bytes) -> None:
    fill(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b/" + name))
    odd.touch() if name.endswith(b".png") else odd.mkdir()
    with pytest.raises(CannotPack, match=r"\\x[ef].*not UTF-8") as refused, packed(tmp_path):
        pass
    str(refused.value).encode()


def test_a_file_is_itself_and_an_empty_folder_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cats.zip"
    file.touch()
    with packed(file) as same:
        assert same == file
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(NothingToPack, match="empty"), packed(tmp_path / "empty"):
        pass
