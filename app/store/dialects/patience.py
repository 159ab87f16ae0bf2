"""Connections of psycopg that give up: on a server that says nothing, and on one just found dead.

TCP tells of a network that is gone, but not of a server whose host still acknowledges: one that is
stopped, or whose disk hangs. And while nothing answers, each thread that opens a connection would
wait for its own timeout: a second after one has failed, the others fail at once.
"""

import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

Result = TypeVar("Result")

AGAIN_SECONDS = 1.0
"""How long nobody tries to connect after an attempt that timed out."""


class Impatient(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for longer than `patience` seconds.

    What moves a long message counts as said: only silence does not.
    """

    patience = float("inf")

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **options: Any) -> Result:
        """Waits as psycopg does, but not for ever.

        Raises:
            psycopg.OperationalError: the server was silent for too long.
        """
        try:
            return super().wait(_bounded(gen, self.patience), *args, **options)
        except _Silence:
            self.pgconn.finish()
            said = f"the server has said nothing for {self.patience:.0f} s"
            raise psycopg.OperationalError(said) from None


class _Silence(Exception):
    """Nothing was heard for too long."""


def _bounded(gen: Generator[Any, Any, Result], seconds: float) -> Generator[Any, Any, Result]:
    heard = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > seconds:
                raise _Silence
            wanted = gen.send(ready)
    except StopIteration as done:
        result: Result = done.value
        return result


class Connector:
    """Opens the connections of an engine: the `do_connect` of SQLAlchemy."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._failed_at = -AGAIN_SECONDS
        self._failure: psycopg.OperationalError | None = None

    def connect(self, _dialect: object, _record: object, given: Any, named: Any) -> Impatient:
        """A connection, or the error with which another attempt has just ended.

        Raises:
            psycopg.OperationalError: nothing answers.
        """
        with self._lock:
            failure = self._failure
            if failure and time.monotonic() - self._failed_at < AGAIN_SECONDS:
                raise type(failure)(*failure.args)
        try:
            connection = Impatient.connect(*given, **named)
        except psycopg.errors.ConnectionTimeout as error:
            with self._lock:
                self._failed_at, self._failure = time.monotonic(), error
            raise
        connection.patience = self._patience
        return connection
