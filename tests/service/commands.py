"""`traind` in tests: a command against an API, and what it printed."""

import json
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from app.cli import app
from app.cli.error_lines import told
from tests.service.conftest import Api


def run(api: Api, *arguments: str) -> Result:
    """The command's outcome; an error of the service's is in `exception`."""
    return CliRunner().invoke(app, [*arguments, "--url", api.service.url])


def ended(api: Api, *arguments: str, code: int) -> Result:
    """The outcome of a command that must exit so."""
    done = run(api, *arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def traind(api: Api, *arguments: str, code: int = 0) -> str:
    """What the command told on both its outputs."""
    return str(ended(api, *arguments, code=code).output)


def documents(api: Api, *arguments: str, code: int = 0) -> list[Any]:
    """The documents that the command prints with --json, one from each line."""
    done = ended(api, *arguments, "--json", code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(api: Api, *arguments: str) -> list[list[str]]:
    """The values of each line, as a program gets them."""
    return [line.split("\t") for line in ended(api, *arguments, code=0).stdout.splitlines()]


def refusal(api: Api, *arguments: str) -> str:
    """What a user is told of an error."""
    error = run(api, *arguments).exception
    assert isinstance(error, Exception), arguments
    message = told(error)
    assert message, error
    return message
