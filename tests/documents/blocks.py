"""Commands and programs of a document, run in their order as a reader would run them.

A `console` block has commands behind `$ `, and what they print below; a `python` block is a program
that goes on from the ones before. The service is the one of a test, and its ids are others than the
document's: the first job of the document is the first job here, and so on.
"""

import contextlib
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ID = re.compile(r"\b(job|model|ds)_([0-9A-HJKMNP-TV-Z]{26})\b")
KEY = re.compile(r"traind_[A-Za-z0-9_-]{20,}")
WORDS = re.compile(r'"([^"\\{}\[\]0-9\n]{12,})"')
"""Texts in JSON that are no number, no time and no id."""
NAMES = re.compile(r'"([a-z_0-9]+)": ?')


@dataclass(frozen=True)
class Step:
    """A command, or a Python program, and what the document says that it prints."""

    line: int
    kind: str
    code: str
    printed: str = ""


def steps(document: Path) -> Iterator[Step]:
    """Every command and program, in order."""
    lines = document.read_text().splitlines()
    at = 0
    while at < len(lines):
        opening = re.fullmatch(r"```(console|python)", lines[at])
        at += 1
        if opening is None:
            continue
        start = at
        while lines[at] != "```":
            at += 1
        block = lines[start:at]
        if opening[1] == "python":
            yield Step(start + 1, "python", "\n".join(block))
        else:
            yield from _commands(block, start + 1)
        at += 1


def _commands(block: list[str], line: int) -> Iterator[Step]:
    starts = [at for at, text in enumerate(block) if text.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        code, at = block[start][2:], start + 1
        while not _is_whole(code):
            code += "\n" + block[at]
            at += 1
        yield Step(line + start, "console", code, "\n".join(block[at:end]).strip())


def _first_line(printed: str) -> str | None:
    """The first line that a command prints into a pipe, unless it is JSON."""
    for line in printed.splitlines():
        if line != "..." and "━" not in line:
            return None if line.startswith("{") else line
    return None


def _shape(line: str) -> str:
    """A line without what is another number or id each time."""
    return re.sub(r"[0-9.]+", "#", ID.sub("#", line)).rstrip()


def _is_whole(code: str) -> bool:
    """Whether a command ends here: no quote is open, and no line goes on."""
    if code.endswith("\\"):
        return False
    read = subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True, check=False)
    return read.returncode == 0


class Reader:
    """Runs the steps of a document against a service, in a folder."""

    def __init__(self, url: str, folder: Path, environment: dict[str, str]) -> None:
        self._url = url
        self._folder = folder
        self._environment = environment
        self._ids: dict[str, str] = {}
        self._names: dict[str, Any] = {}

    def run(self, step: Step) -> str:
        """What the step prints.

        Raises:
            AssertionError: it fails, or does not print what the document shows: the first line, or
                the fields and texts of JSON.
        """
        code = ID.sub(lambda found: self._ids.get(found[0], found[0]), step.code)
        printed = self._python(code) if step.kind == "python" else self._command(code)
        self._learn(step.printed, printed)
        for text in [*NAMES.findall(step.printed), *WORDS.findall(step.printed)]:
            assert text in printed, f"line {step.line}: no {text} in {printed}"
        if (first := _first_line(step.printed)) is not None:
            assert _shape(first) in map(_shape, printed.splitlines()), (
                f"line {step.line}: {printed}"
            )
        is_refused = '"urn:traind:problem' in printed
        assert is_refused == ('"urn:traind:problem' in step.printed), f"line {step.line}: {printed}"
        return printed

    def _command(self, code: str) -> str:
        code = code.replace("http://localhost:8000", self._url).replace("localhost:8000", self._url)
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", code],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        if (key := KEY.search(done.stdout)) is not None:
            self._environment["TRAIND_KEY"] = key[0]
        return done.stdout + done.stderr

    def _python(self, code: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(self._folder):
            exec(compile(code, "document", "exec"), self._names)  # noqa: S102 (our own document)
        return printed.getvalue()

    def _learn(self, told: str, printed: str) -> None:
        """Which id here stands for which of the document."""
        for kind in ("job", "model", "ds"):
            there, here = (
                [found[0] for found in ID.finditer(text) if found[1] == kind]
                for text in (told, printed)
            )
            new = [each for each in dict.fromkeys(there) if each not in self._ids]
            known = set(self._ids.values())
            own = [each for each in dict.fromkeys(here) if each not in known]
            self._ids |= dict(zip(new, own, strict=False))
