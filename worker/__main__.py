"""`python -m worker`: runs a worker; `python -m worker --healthy`: says whether one lives here.

Here is this container, or this machine where there is none.

The imports stand inside `main`, for the training processes import this module's package too and
must not load the database.
"""

import argparse
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

SOCKET_PATH_BYTES = 107
"""Longest path of a Unix socket (unix(7))."""


def main() -> None:
    """The worker's entry point."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Trains queued jobs.")
    healthy = "exit 0 if a worker of this home lives here"
    parser.add_argument("--healthy", action="store_true", help=healthy)
    arguments = parser.parse_args()

    # NumPy's threads would stand in the server from which runs are forked; nothing here uses them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from app import destinations, logs  # noqa: PLC0415
    from app.lifeline import Line  # noqa: PLC0415
    from app.settings import BadSettings, Settings  # noqa: PLC0415
    from app.store import database, migrations, workers  # noqa: PLC0415
    from app.store.errors import StoreError  # noqa: PLC0415
    from app.store.objects import open_objects  # noqa: PLC0415
    from worker import lock_file  # noqa: PLC0415
    from worker.engines import CannotStart, Engine  # noqa: PLC0415
    from worker.engines.local import LocalEngine  # noqa: PLC0415
    from worker.supervisor import DATABASE_SECONDS, Supervisor  # noqa: PLC0415

    Line()
    try:
        settings = Settings.from_environment()
        opened = database.connect(
            settings.database,
            create=not arguments.healthy,
            busy_seconds=DATABASE_SECONDS,
            mirrors=bool(settings.mlflow_uri),
        )
        if arguments.healthy:
            with opened.read() as connection:
                here = lock_file.ids_here(settings.home)
                sys.exit(0 if workers.any_alive(connection, here) else 1)
        logs.configure()
        destinations.read(settings.webhooks)
        if settings.engine == "ray" and find_spec("ray") is None:
            sys.exit("TRAIND_ENGINE=ray needs Ray: pip install 'traind[ray]'.")
        if settings.mlflow_uri and find_spec("mlflow") is None:
            sys.exit("TRAIND_MLFLOW_URI needs mlflow-skinny: pip install 'traind[mlflow]'.")
        migrations.migrate(opened)
        open_objects(settings.object_storage).check()
    except (BadSettings, destinations.BadDestinations, StoreError) as error:
        sys.exit(str(error))
    _shorten_temporary_folder()
    engine: Engine = LocalEngine()
    if settings.engine == "ray":
        from worker.engines.ray.engine import RayEngine  # noqa: PLC0415

        address = settings.ray_address or os.environ.get("RAY_ADDRESS", "")
        engine = RayEngine(address, settings.run_memory_mb)
    try:
        Supervisor(settings, opened, engine).run()
    except CannotStart as error:
        sys.exit(f"The worker cannot start training processes: {error}.")


def _shorten_temporary_folder() -> None:
    """Moves the socket of the server that forks runs where its path fits."""
    longest = len(os.fsencode(tempfile.gettempdir())) + len("/pymp-12345678/listener-12345678")
    if longest <= SOCKET_PATH_BYTES:
        return
    for folder in ("/tmp", "/var/tmp"):  # noqa: S108 (only a private folder is made there)
        if Path(folder).is_dir() and os.access(folder, os.W_OK):
            tempfile.tempdir = folder
            return
    sys.exit(f"TMPDIR={tempfile.gettempdir()} is too long for a socket; set it to a shorter path.")


if __name__ == "__main__":
    main()
