"""When the API's own loops look at the database again: after a ring, or after a while."""

import asyncio

from app.store import doorbell
from app.store.database import Database
from app.store.dialects import Bell

LOOK_SECONDS = 0.1
"""Between two looks of one loop, at least; and exactly, where there is no doorbell."""
QUIET_SECONDS, UNTOLD_SECONDS = 0.4, 0.1
"""How much longer a loop waits for a ring: not every commit rings (app/store/doorbell.py), and on a
server none that only says how far a run is."""


class Pace:
    """The pace of one loop."""

    def __init__(self, quiet_seconds: float) -> None:
        """`quiet_seconds` is how much longer it waits for a ring."""
        self._quiet_seconds = quiet_seconds
        self._rung = asyncio.Event()

    def hurry(self) -> None:
        """Something was committed."""
        self._rung.set()

    async def next_look(self) -> None:
        """Returns when it is time to look again."""
        await asyncio.sleep(LOOK_SECONDS)
        try:
            async with asyncio.timeout(self._quiet_seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


class Paces:
    """The paces of this process's loops, and the doorbell that hurries them.

    Built, used and closed in one event loop.
    """

    def __init__(self, database: Database) -> None:
        self._bell = doorbell.hang(database)
        quiet = QUIET_SECONDS if database.tells_progress else UNTOLD_SECONDS
        self._quiet_seconds = quiet if self._bell is not None else 0.0
        self._paces: list[Pace] = []
        self._deaf: asyncio.TimerHandle | None = None
        self._listen()

    def add(self) -> Pace:
        """A pace for one more loop."""
        pace = Pace(self._quiet_seconds)
        self._paces.append(pace)
        return pace

    def close(self) -> None:
        """Gives back the bell; the loops have ended."""
        if self._deaf is not None:
            self._deaf.cancel()
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            self._bell.close()

    def _listen(self) -> None:
        if self._bell is not None:
            asyncio.get_running_loop().add_reader(self._bell.fileno(), self._hear, self._bell)

    def _hear(self, bell: Bell) -> None:
        """Listens no more for a while: no loop looks sooner, and a busy worker rings often."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(bell.fileno())
        self._deaf = loop.call_later(LOOK_SECONDS, self._listen)
        bell.hush()
        for pace in self._paces:
            pace.hurry()
