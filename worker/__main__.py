"""`python -m worker`: runs a worker; `python -m worker --healthy`: says whether this host has one.

The imports stand inside `main`, for the training processes import this module's package too and
must not load the database.
"""

import argparse
import os
import socket
import sys


def main() -> None:
    """The worker's entry point."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Trains queued jobs.")
    parser.add_argument("--healthy", action="store_true", help="exit 0 if this host's worker lives")
    arguments = parser.parse_args()

    # NumPy's threads would stand in the server from which runs are forked; nothing here uses them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from app import logs  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415
    from app.store import database, migrations, workers  # noqa: PLC0415
    from app.store.errors import StoreError  # noqa: PLC0415
    from worker.supervisor import Supervisor  # noqa: PLC0415

    settings = Settings()
    opened = database.connect(settings.database)
    if arguments.healthy:
        with opened.read() as connection:
            sys.exit(0 if workers.any_alive(connection, socket.gethostname()) else 1)
    logs.configure()
    try:
        migrations.migrate(opened)
    except StoreError as refused:  # another schema, a busy file, an upgrade undone
        sys.exit(str(refused))
    Supervisor(settings, opened).run()


if __name__ == "__main__":
    main()
