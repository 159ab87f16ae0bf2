"""`python -m app`: runs the API."""

import gc
import signal
import socket
import sys
from types import FrameType

import uvicorn

from app import address, destinations, logs, processes
from app.lifeline import Line
from app.server import Server
from app.settings import BadSettings, Settings
from app.store import database, keys, migrations
from app.store.errors import StoreError
from app.store.objects import open_objects

STARTING = (BadSettings, destinations.BadDestinations, address.AddressUnavailable, StoreError)
"""Errors whose message says why the API does not start."""
SHUTDOWN_SECONDS = 5
"""How long a stopping API waits for the requests in flight."""


def main() -> None:
    """The API's entry point."""
    for planned in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has stopped
        signal.signal(planned, _exit)
    line = Line()
    sockets = processes.inherited()
    try:
        settings = Settings.from_environment()
        if not sockets:
            address.check_free(settings.host, settings.port)
            _check_database(settings)
            open_objects(settings.object_storage).check()
        logs.configure()
        destinations.read(settings.webhooks)
        if settings.api_processes > 1 and not sockets:
            processes.run(settings, line)
    except STARTING as error:
        sys.exit(str(error))
    except processes.DiedAtOnce as died:
        sys.exit(died.code)
    gc.disable()  # while modules are loaded, which stay: a sixth of the start; `create_app` ends it
    # Here, because a process that only starts others needs none of it.
    from app.direct import DirectProtocol  # noqa: PLC0415
    from app.main import create_app  # noqa: PLC0415

    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=DirectProtocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    AnnouncedServer(config, line).run(sockets or None)


class AnnouncedServer(Server):
    """Tells the process that started it when it listens."""

    def __init__(self, config: uvicorn.Config, line: Line) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, and says so."""
        await super().startup(sockets)
        if self.started:
            self._line.ready()


def _check_database(settings: Settings) -> None:
    """Migrates the database; ends the process if everybody could reach it without a key."""
    opened = database.connect(settings.database)
    migrations.migrate(opened)
    with opened.read() as connection:
        made = keys.listed(connection)
    opened.close()
    if not (made or settings.unprotected or address.is_loopback(settings.host)):
        sys.exit(
            f"traind would answer everybody who reaches {settings.host}: make a key first, with "
            "`traind keys create NAME --scope admin`, or listen on 127.0.0.1."
        )


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
