"""`traind predict`: what a model says of image files and of rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from app.cli.connection import Url, connected
from app.cli.exit_codes import ERROR
from app.cli.terminal import AsJson, console, print_error, print_json, print_line, printable

if TYPE_CHECKING:
    from app.client import Client

ROWS = 512
"""Most rows of one request."""
TOP = 3
"""How many classes are named of a picture that is shown alone."""
OF_THE_FILE = {413, 415, 422}
"""Statuses of answers that refuse a file and say nothing of the others."""


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Image files; rows of a table as CSV, JSON or JSON lines; pixels as JSON.",
        ),
    ],
    *,
    model: Annotated[
        str | None,
        typer.Option(help="An id or an alias; production if that is set, or else latest."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Ask a model what it sees in files. All of them are answered by the same model."""
    refused = False
    with connected(url) as client:
        for file in files:
            answered = 0
            try:
                for content, answer in _answers(client, file, model):
                    model = answer["model"]
                    if as_json:
                        _print_documents(file, content, answer, answered)
                    elif len(files) == 1 and isinstance(content, bytes):
                        show_picture(file, content, answer, console)
                    else:
                        _print_lines(file, content, answer, answered)
                    answered += len(answer["predictions"])
            except Exception as error:
                if (reason := _reason(file, error, answered)) is None:
                    raise
                print_error(reason)
                refused = True
    if refused:
        raise typer.Exit(ERROR)


def _reason(file: Path, error: Exception, answered: int) -> str | None:
    """Why a file cannot be answered; None where the error is not the file's alone."""
    from app.client import Problem
    from traind.files import BadPredictFile

    if isinstance(error, BadPredictFile):
        return str(error)
    if isinstance(error, OSError) and error.filename:  # without a name: of the output
        return f"{file}: {error.strerror}"
    if isinstance(error, Problem) and error.status in OF_THE_FILE:
        counted_from = f"behind row {answered}: " if answered else ""
        return f"{file}: {counted_from}{error}"
    return None


def show_picture(file: Path, content: bytes, answer: dict[str, Any], console: Console) -> None:
    """The picture, its most probable classes, and what is doubtful; a line where it is piped."""
    from app.cli.drawing import drawing

    if not console.is_terminal:
        _print_lines(file, content, answer, 0)
        return
    (prediction,) = answer["predictions"]
    if (drawn := drawing(content, console)) is not None:
        console.print(drawn)
    for rank, each in enumerate(prediction["top"]):
        line = f"{each['confidence']:>7.2%}  {printable(each['label'])}"
        console.print(Text(line, "" if rank else "bold"))
    for warning in prediction.get("warnings", []):
        console.print(Text(printable(warning["detail"]), "yellow"))


def _answers(
    client: "Client", file: Path, model: str | None
) -> Iterator[tuple[bytes | None, dict[str, Any]]]:
    """The answers for a file, with the bytes of the picture where it is one."""
    from traind.files import Picture, read

    content = read(file)
    if isinstance(content, Picture):
        answer = client.predict_file(content.content, content.media_type, model, top_k=TOP)
        yield content.content, answer
    elif not content.are_rows:
        yield None, client.predictions(content.values, model)
    else:
        for first in range(0, len(content.values), ROWS):
            answer = client.predictions(content.values[first : first + ROWS], model)
            model = answer["model"]
            yield None, answer


def _print_documents(
    file: Path, picture: bytes | None, answer: dict[str, Any], before: int
) -> None:
    """A document for each input; rows are counted from 0, `before` of them were answered before."""
    for row, prediction in enumerate(answer["predictions"], before):
        place = {"file": str(file), "row": None if picture else row}
        print_json({**place, "model": answer["model"], **prediction})


def _print_lines(file: Path, picture: bytes | None, answer: dict[str, Any], before: int) -> None:
    """A line for each input; rows are counted from 1, as people count them."""
    for row, prediction in enumerate(answer["predictions"], before + 1):
        name = str(file) if picture else f"{file}:{row}"
        warnings = " ".join(each["detail"] for each in prediction.get("warnings", []))
        print_line((name, prediction["label"], f"{prediction['confidence']:.2%}", warnings))
