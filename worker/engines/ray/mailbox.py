"""Where the workers of a data-parallel run and its driver leave messages for each other."""

import asyncio

from app.codes import StopReason
from worker.messages import Checkpoint, decode_report

ROOM = 16
"""Messages that wait; then the run waits until the supervisor has read some."""


class Mailbox:
    """An actor on the driver's machine, so that a lost node takes nothing with it."""

    def __init__(self, checkpoint: bytes | None) -> None:
        """`checkpoint` is where the run goes on from."""
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(ROOM)
        self._checkpoint = checkpoint
        self._reason: StopReason | None = None

    async def put(self, message: bytes) -> None:
        """Takes what the run reports, once there is room for it."""
        await self._messages.put(message)
        if isinstance(report := decode_report(message), Checkpoint):
            self._checkpoint = report.content

    async def take(self) -> list[bytes]:
        """What has been reported since the last call; waits until there is something."""
        taken = [await self._messages.get()]
        while not self._messages.empty():
            taken.append(self._messages.get_nowait())
        return taken

    async def newest_checkpoint(self) -> bytes | None:
        """Where workers that are started again go on from."""
        return self._checkpoint

    async def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""
        self._reason = reason

    async def stop_requested(self) -> StopReason | None:
        """Why the run is to stop, or None."""
        return self._reason
