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
    from app.cli.predict_files import Inputs, Picture
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
    from app.cli import predict_files
    from app.client import Problem

    refused = False
    with connected(url) as client:
        for file in files:
            content = predict_files.read(file)
            try:
                for first, answer in _answers(client, content, model):
                    model = answer["model"]
                    if as_json:
                        _print_documents(file, first, answer)
                    elif len(files) == 1 and isinstance(content, predict_files.Picture):
                        show_picture(file, content.content, answer, console)
                    else:
                        _print_lines(file, first, answer)
            except Problem as problem:
                if problem.status not in OF_THE_FILE:
                    raise
                print_error(f"{file}: {problem}")
                refused = True
    if refused:
        raise typer.Exit(ERROR)


def show_picture(file: Path, content: bytes, answer: dict[str, Any], console: Console) -> None:
    """The picture, its most probable classes, and what is doubtful; a line where it is piped."""
    from app.cli.drawing import drawing

    if not console.is_terminal:
        _print_lines(file, None, answer)
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
    client: "Client", content: "Picture | Inputs", model: str | None
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The answers for a file, each with the place of its first row; None for a picture."""
    from app.cli.predict_files import Picture

    if isinstance(content, Picture):
        yield None, client.predict_file(content.content, content.media_type, model, top_k=TOP)
    elif not content.are_rows:
        yield 0, client.predictions(content.values, model)
    else:
        for first in range(0, len(content.values), ROWS):
            answer = client.predictions(content.values[first : first + ROWS], model)
            model = answer["model"]
            yield first, answer


def _print_documents(file: Path, first: int | None, answer: dict[str, Any]) -> None:
    for offset, prediction in enumerate(answer["predictions"]):
        row = None if first is None else first + offset
        print_json({"file": str(file), "row": row, "model": answer["model"], **prediction})


def _print_lines(file: Path, first: int | None, answer: dict[str, Any]) -> None:
    """A line for each input: rows are counted from 1, as people count them."""
    for offset, prediction in enumerate(answer["predictions"]):
        name = str(file) if first is None else f"{file}:{first + offset + 1}"
        warnings = " ".join(each["detail"] for each in prediction.get("warnings", []))
        values = (name, prediction["label"], f"{prediction['confidence']:.2%}", warnings)
        print_line(values)
