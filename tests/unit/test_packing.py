"""A folder as a zip: the same bytes for the same folder, whatever its dates and hidden files."""

import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from traind.packing import NothingToPack, packed


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


def test_hidden_files_and_linked_folders_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    (tmp_path / "a" / ".DS_Store").touch()
    (tmp_path / "a" / ".git").mkdir()
    (tmp_path / "a" / ".git" / "HEAD").touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "a" / "b" / "2.png")
    with packed(tmp_path / "a") as archive, ZipFile(archive) as opened:
        names = ["a b/ü&.png", "b/2.png", "labels.csv", "linked.png"]
        assert opened.namelist() == names
        assert opened.read("linked.png") == b"two"


def test_a_file_is_itself_and_an_empty_folder_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cats.zip"
    file.touch()
    with packed(file) as same:
        assert same == file
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(NothingToPack, match="empty"), packed(tmp_path / "empty"):
        pass
