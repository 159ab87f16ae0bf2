"""How far an import is, said a few times a second."""

import time
from collections.abc import Callable

from worker.imports.messages import Progress

TELL_SECONDS = 0.25

Say = Callable[[Progress], None]


class Teller:
    """Says how much is done, a few times a second."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._next = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """Says it, if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_SECONDS
            self._say(Progress(done, max(done, total), what))
