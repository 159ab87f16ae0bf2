"""`traind data`: brings data of one's own to a service, and says what was found in it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from app.cli.connection import Url, connected
from app.cli.terminal import AsJson, console, errors, print_json, print_rows, printable
from app.option_words import IN_TERMINAL, reworded

Ref = Annotated[str, typer.Argument(help="An id, name@version, or a name for its newest version.")]


def _there(text: str) -> Path:
    """A file or folder; an empty argument, such as a variable that is not set, is none."""
    path = Path(text)
    if not text or not path.exists():
        raise typer.BadParameter(f"There is no file or folder {text!r}.")
    return path


app = typer.Typer(help="Bring data of your own, and see what it holds.", no_args_is_help=True)


@app.command(epilog="Example: traind data add emoji emoji --size 64")
def add(
    name: Annotated[str, typer.Argument(help="What jobs call it: small letters, digits, - _ .")],
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder of pictures for each class, or one with metadata.csv; a "
            "zip, tar, Parquet or npz of it; a table as CSV, JSON or, with --target, "
            "Parquet.",
            parser=_there,
            metavar="PATH",
        ),
    ],
    *,
    target: Annotated[str | None, typer.Option(help="Of a table: column of the classes.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a table: NAME=KIND, where a column is not what it looks like; KIND is number, "
            "date, category or ignore. May come again."
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Side in pixels, or HEIGHTxWIDTH; chosen if missing.")
    ] = None,
    fit: Annotated[str, typer.Option(help="crop, pad or stretch.")] = "crop",
    color: Annotated[str, typer.Option(help="auto, grey or rgb.")] = "auto",
    ground: Annotated[
        str, typer.Option(help="Colour behind transparent pixels, #rrggbb.")
    ] = "#ffffff",
    test_fraction: Annotated[
        float, typer.Option(help="Fraction set aside for the test, if the file does not say it.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Number that this choice depends on.")] = 0,
    group: Annotated[
        str | None, typer.Option(help="Column whose equal values stay in one part.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column that says the part.")] = None,
    file: Annotated[str | None, typer.Option(help="Column that names the file.")] = None,
    label: Annotated[str | None, typer.Option(help="Column that names the class.")] = None,
    deduplicate: Annotated[
        bool, typer.Option(help="Leave what is also in the test part out of the training.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Send a file or a folder, wait for its import, and print what was found."""
    table = {"target": target, "columns": _columns(column or [])}
    image = {"size": _size(size), "fit": fit, "color": color, "ground": ground}
    options: dict[str, Any] = {
        **({"table": table} if target or column else {}),
        "image": image,
        "parts": {"test_fraction": test_fraction, "seed": seed, "group": group, "split": split},
        "file": file,
        "label": label,
        "deduplicate": deduplicate,
    }
    with connected(url) as client:
        with _bars() as bars:
            sending = bars.add_task("sending", total=None)
            importing = bars.add_task("importing", total=None)

            def imported(dataset: dict[str, Any]) -> None:
                if at := dataset["progress"]:
                    total = at["total"] or None
                    about = f"importing {at['what']}"
                    bars.update(importing, description=about, completed=at["done"], total=total)
                if dataset["status"] == "ready":
                    bars.update(importing, completed=1, total=1)

            made = client.datasets.add(
                name,
                path,
                on_sent=lambda done, total: bars.update(sending, completed=done, total=total),
                on_import=imported,
                **options,
            )
        if as_json:
            print_json(made)
        else:
            _show(made, client.datasets.report(made["id"]))


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=errors,
        disable=not errors.is_terminal,
    )


def _columns(said: list[str]) -> dict[str, str]:
    """What `--column` says of each column."""
    columns = {}
    for each in said:
        name, equals, kind = each.rpartition("=")
        if not equals:
            raise typer.BadParameter(f"{each} is no NAME=KIND")
        columns[name] = kind
    return columns


def _size(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        sides = [int(side) for side in text.split("x")]
    except ValueError:
        raise typer.BadParameter(f"{text} is neither a number nor HEIGHTxWIDTH") from None
    return sides[0] if len(sides) == 1 else sides


@app.command("list", epilog="Example: traind data list")
def list_datasets(*, as_json: AsJson = False, url: Url = None) -> None:
    """List the newest versions. Without a terminal: a line for each, with tabs between."""
    with connected(url) as client:
        found = client.datasets.list()
    if as_json:
        for dataset in found:
            print_json(dataset)
    else:
        print_rows(("id", "name", "status", "examples", "classes"), map(_row, found))


def _row(dataset: dict[str, Any]) -> tuple[str, ...]:
    facts = dataset["facts"]
    images = (
        facts["train_images"] + facts["validation_images"] + facts["test_images"] if facts else ""
    )
    name = f"{dataset['name']}@{dataset['version']}"
    classes = facts["classes"] if facts else ""
    return dataset["id"], name, dataset["status"], str(images), str(classes)


@app.command(epilog="Example: traind data report emoji@2")
def report(ref: Ref, *, as_json: AsJson = False, url: Url = None) -> None:
    """Say what was found in a dataset."""
    with connected(url) as client:
        if as_json:
            print_json(client.datasets.report(ref))
            return
        _show(client.datasets.get(ref), client.datasets.report(ref))


@app.command(epilog="Example: traind data delete emoji@1")
def delete(ref: Ref, url: Url = None) -> None:
    """Delete a version and its bytes; models that were trained on it stay."""
    with connected(url) as client:
        client.datasets.delete(ref)


def _show(dataset: dict[str, Any], found: dict[str, Any]) -> None:
    is_table = dataset["kind"] == "table"
    console.print(
        f"{dataset['name']}@{dataset['version']} is ready: "
        + (_of_rows(found) if is_table else _of_pictures(found))
    )
    if is_table:
        print_rows(("column", "is", "missing", "values"), map(_column, found["columns"]))
        for each in found["dropped"]:
            reason = reworded(each["reason"], IN_TERMINAL)
            console.print(printable(f"{each['name']} is left out: {reason}."))
    rows = [
        (each["name"], str(each["train"]), str(each["validation"]), str(each["test"]))
        for each in found["classes"]
    ]
    print_rows(("class", "train", "validation", "test"), rows)
    if (left := found["left_out"])["count"]:
        console.print(f"{left['count']} {'rows' if is_table else 'files'} were left out:")
        for each in left["files"][:10]:
            console.print(f"  {printable(each['name'])}: {printable(each['reason'])}")
    twins = found["duplicates"]
    if twins["dropped"]:
        console.print(f"{twins['dropped']} doubles were left out of the training part.")
    for warning in found["warnings"]:
        console.print(printable(reworded(warning, IN_TERMINAL)))
    preset = "table" if is_table else "images"
    console.print(
        f'Train on it: {{"preset": "{preset}", "dataset": {{"name": "{dataset["name"]}"}}}}'
    )


def _of_pictures(found: dict[str, Any]) -> str:
    height, width = found["size"]
    return (
        f"{found['images']} pictures in {len(found['classes'])} classes, {height} x {width} pixels "
        f"({found['size_was']}), {found['color']} ({found['color_was']})."
    )


def _of_rows(found: dict[str, Any]) -> str:
    return (
        f"{found['rows']} rows in {len(found['classes'])} classes, {len(found['columns'])} columns."
    )


def _column(column: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table of columns."""
    if column["kind"] == "category":
        names = ", ".join(each["name"] for each in column["categories"][:5])
        more = column["category_count"] - 5
        values = names + (f" and {more} more" if more > 0 else "")
    else:
        values = f"{_value(column['low'])} to {_value(column['high'])}"
    return column["name"], column["kind"], f"{column['missing']:.0%}", values


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
