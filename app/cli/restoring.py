"""`traind restore`: the counterpart of `backup`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import AsJson, console, print_json, printable


def restore(
    file: Annotated[
        Path, typer.Argument(help="What `traind backup` wrote; FILE.objects lies beside it.")
    ],
    *,
    without_files: Annotated[
        bool,
        typer.Option(
            "--without-files",
            help="Go on where files of datasets are missing or damaged in FILE.objects.",
        ),
    ] = False,
    drop_others: Annotated[
        bool,
        typer.Option(
            "--drop-others",
            help="Go on where TRAIND_OBJECTS has files that the backup does not name: the service "
            "will remove them.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place where there is no database: checked first, and whole or not at all."""
    from app.settings import Settings
    from app.store import restore as restoring
    from app.store.objects import open_objects

    settings = Settings.from_environment()
    database = restoring.place(settings.database)
    objects = open_objects(settings.object_storage)
    left_out = restoring.restore(
        file.absolute(), database, objects, may_lack=without_files, may_drop=drop_others
    )
    if as_json:
        print_json({"database": str(database), "missing_files": left_out})
        return
    console.print(f"{printable(str(database))}: restored and checked; `traind serve` starts it.")
    for digest in left_out:
        console.print(f"Left out, missing or damaged in the backup: sha256 {digest}")
    if left_out:
        console.print(f"{len(left_out)} files of datasets are left out; upload them again.")
