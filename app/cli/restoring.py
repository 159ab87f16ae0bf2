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
            "--without-files", help="Go on where files of datasets are missing in FILE.objects."
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
    missing = restoring.restore(
        file.absolute(), database, objects, may_lack=without_files, may_drop=drop_others
    )
    if as_json:
        print_json({"database": str(database), "missing_files": missing})
        return
    console.print(f"{printable(str(database))}: restored and checked; `traind serve` starts it.")
    if missing:
        console.print(f"{len(missing)} files of datasets are missing; upload them again.")
