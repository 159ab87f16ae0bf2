"""Help, its examples and the documents say what the commands are; help loads nothing heavy."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app.cli import app, exit_codes

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = (DOCS / "cli.md").read_text()
REFERENCE = (DOCS / "reference" / "commands.md").read_text()
NO_DATA = {"serve", "worker", "demo", "explain", "mcp", "data delete"}
"""Commands that print no data: processes, a document, nothing, MCP messages."""
HEAVY = ["httpx", "sqlalchemy", "pydantic", "numpy", "PIL", "yaml", "structlog", "fastapi", "torch"]


def every_command() -> Iterator[tuple[str, Any]]:
    def below(group: Any, before: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from below(command, f"{before}{name} ")
            else:
                yield before + name, command

    yield from below(typer.main.get_command(app), "")


COMMANDS = dict(every_command())


def options(command: Any) -> set[str]:
    given = {option for parameter in command.params for option in parameter.opts}
    return {option for option in given if option.startswith("--")}


def parses(line: str) -> None:
    """The command line must name a command and options that exist."""
    words = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    assert words[0] == "traind"
    done = CliRunner().invoke(app, [*words[1:], "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage: " in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does_and_has_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    start, _, example = command.epilog.partition("Example: ")
    assert start == ""
    assert f"traind {name}" in example
    parses(example)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_that_prints_data_prints_json_too(name: str) -> None:
    assert ("--json" in options(COMMANDS[name])) is (name not in NO_DATA)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_its_options_are_in_the_reference(name: str) -> None:
    _, found, after = REFERENCE.partition(f"\n### traind {name}\n")
    assert found
    described = re.split(r"\n##+ ", after)[0]
    for option in options(COMMANDS[name]) - {"--help"}:
        assert f"| `{option}" in described, option


def test_the_examples_of_the_document_are_commands() -> None:
    lines = re.findall(r"^\$ (.+)$", DOCUMENT, re.MULTILINE)
    assert lines
    for line in lines:
        parses(line.partition(" | ")[0])


def test_exit_codes_are_told() -> None:
    codes = {name: code for name, code in vars(exit_codes).items() if name.isupper()}
    assert len(set(codes.values())) == len(codes)
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "500"}).output
    for code in codes.values():
        assert f"| `{code}` |" in REFERENCE
        assert re.search(rf"(: |; ){code} ", told), code


def test_help_loads_nothing_that_takes_long() -> None:
    asked = (
        f"import json, sys, app.cli; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_shell_can_complete() -> None:
    environment = {
        "_TRAIND_COMPLETE": "complete_bash",
        "COMP_WORDS": "traind roll",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("traind"))],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["rollback"]
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize("arguments", [["nonsense"], ["show"], ["jobs", "--limit", "0"]])
def test_a_command_line_that_makes_no_sense_has_its_exit_code(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == exit_codes.USAGE
