"""What a terminal gets, and what a pipe that nobody reads any more does."""

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from app.cli import terminal
from app.cli.exit_codes import READER_GONE

TRAIND = str(Path(sys.executable).with_name("traind"))
COLOUR = re.compile(r"\x1b\[(?:\d;)*(?:3|4|9|10)[0-7]")


def in_terminal(home: Path, *arguments: str, **variables: str) -> str:
    """What the command writes to a terminal."""
    mine = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")
    }
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [TRAIND, *arguments],
        env=mine | {"TRAIND_HOME": str(home), "TRAIND_PORT": "0", "TERM": "xterm", **variables},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 65536):
                told += piece
        except OSError:  # the terminal's other end is closed (EIO)
            pass
        os.close(ours)
    return told.decode()


def test_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    assert COLOUR.search(in_terminal(tmp_path, "doctor"))
    without = in_terminal(tmp_path, "doctor", NO_COLOR="1")
    assert "ok    versions: traind" in re.sub(r"\x1b\[\d*m", "", without)
    assert not COLOUR.search(without)
    piped = subprocess.run(
        [TRAIND, "doctor"],
        env=os.environ | {"TRAIND_HOME": str(tmp_path), "TRAIND_PORT": "0", "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in piped.stdout


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"], ["--help"]])
def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    mine = os.environ | {"TRAIND_HOME": str(tmp_path), "TRAIND_PORT": "0"}
    mine.pop("PYTHONUNBUFFERED", None)  # as for users, whose output is written at the end
    done = subprocess.run(
        [TRAIND, *arguments],
        env=mine,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (READER_GONE, "")


@contextmanager
def shown(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[io.StringIO]:
    file = io.StringIO()
    settings = {"force_terminal": True, "width": 60, "color_system": None} | options
    console = Console(file=file, markup=False, emoji=False, highlight=False, **settings)
    monkeypatch.setattr(terminal, "console", console)
    yield file


HOSTILE = "[red]x[/red] :smile:\x1b[2J\n"
AS_TEXT = "[red]x[/red] :smile:\\x1b[2J\\n"


def test_names_are_text_in_tables_and_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(monkeypatch) as file:
        terminal.print_rows(["id", HOSTILE], [["1", HOSTILE]])
        terminal.print_facts([(HOSTILE, HOSTILE)])
    told = file.getvalue()
    assert told.count(AS_TEXT) == 4
    assert "\x1b[2J" not in told


def test_facts_are_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(monkeypatch) as file:
        terminal.print_facts([("id", "job_1"), ("longer name", "x" * 100)])
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert lines[0] == "id           job_1"
    assert "".join(line.replace("longer name", "").strip() for line in lines[1:]) == "x" * 100


@pytest.mark.parametrize("is_terminal", [True, False])
def test_sentences_are_broken_between_words_and_only_in_a_terminal(is_terminal: bool) -> None:
    sentence = " ".join(["oscillates"] * 20)
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=60, color_system=None)
    terminal.print_prose(Text(sentence), console, indent=2)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert all(line.startswith("  oscillates") and line.endswith("oscillates") for line in lines)
    assert len(lines) == (4 if is_terminal else 1)
    assert " ".join(line.strip() for line in lines) == sentence
