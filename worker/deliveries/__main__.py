"""`python -m worker.deliveries KIND`: sends the deliveries of one kind until none is left."""

import asyncio
import logging
import os
import sys
from functools import partial

from app import logs
from app.lifeline import Line
from app.settings import BadSettings, Settings
from app.store import database, doorbell
from app.store.errors import StoreError
from app.store.outbox import Work
from worker.deliveries.loop import Loop, Sender

DATABASE_SECONDS = 4.0
"""How long one write waits for the database: several fit into a claim."""


def main() -> None:
    """The entry point; supervisors start it."""
    Line()
    work = Work(sys.argv[1])
    try:
        settings = Settings.from_environment()
        opened = database.connect(settings.database, create=False, busy_seconds=DATABASE_SECONDS)
    except (BadSettings, StoreError) as error:
        sys.exit(str(error))
    logs.configure()
    opened.on_commit = partial(doorbell.ring, opened)
    # asyncio.run would wait at the end for a thread that waits for another server.
    asyncio.new_event_loop().run_until_complete(_work_off(settings, opened, work))
    logging.shutdown()
    os._exit(0)


async def _work_off(settings: Settings, opened: database.Database, work: Work) -> None:
    async with _sender(settings, opened, work) as sender:
        await Loop(opened, work, sender).run()


def _sender(settings: Settings, opened: database.Database, work: Work) -> Sender:
    """What sends this kind. Each loads libraries that the other does not need."""
    if work is Work.WEBHOOK:
        from worker.deliveries.webhooks import Webhooks  # noqa: PLC0415

        return Webhooks(settings)
    from worker.deliveries.mirror import Mirror  # noqa: PLC0415

    return Mirror(settings, opened)


if __name__ == "__main__":
    main()
