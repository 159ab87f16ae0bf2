"""`python -m app`: runs the API."""

import ipaddress
import signal
import sys
from types import FrameType

import uvicorn

from app import logs
from app.main import create_app
from app.server import Protocol, Server
from app.settings import Settings
from app.store import database, keys, migrations
from app.store.errors import StoreError

SHUTDOWN_SECONDS = 5
"""How long a stopping API waits for the requests in flight."""


def main() -> None:
    """The API's entry point."""
    for planned in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has stopped
        signal.signal(planned, _exit)
    settings = Settings()
    _look_at_the_database(settings)
    logs.configure()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Protocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    Server(config).run()


def _look_at_the_database(settings: Settings) -> None:
    """Ends the process if another version made it, or if everybody could reach it without a key."""
    opened = database.connect(settings.database)
    try:
        migrations.migrate(opened)
    except StoreError as refused:  # another schema, a busy file, an upgrade undone
        sys.exit(str(refused))
    with opened.read() as connection:
        made = keys.listed(connection)
    opened.close()
    if not (made or settings.unprotected or _is_loopback(settings.host)):
        sys.exit(
            f"traind would answer everybody who reaches {settings.host}: make a key first, with "
            "`traind keys create NAME --scope admin`, or listen on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
