"""How many requests a second each key sends, counted by all API processes of a home together.

A key's state is one number in a file of its own, under a lock: the time until which its requests
have used up its rate (the generic cell rate algorithm, ITU-T I.371). It allows what a bucket of
tokens allows that fills at the key's rate, up to a second's worth.
"""

import fcntl
import logging
import os
import struct
import time
from pathlib import Path

log = logging.getLogger(__name__)

TIME = struct.Struct("<d")
TRIES, TRY_SECONDS = 100, 0.0002
"""A lock is held for microseconds. A request that cannot get it after these tries is let through:
the process that holds it may have been stopped."""


class TooManyRequests(Exception):
    """The key's rate is used up; `seconds` until it may ask again."""

    def __init__(self, rate: float, seconds: float) -> None:
        super().__init__(f"This key may send {rate:g} requests a second; wait {seconds:.2f} s.")
        self.seconds = seconds


class Rates:
    """The rates of keys, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}
        self._is_warned = False

    def take(self, key_id: str, rate: float) -> None:
        """Counts a request of a key that may send `rate` requests a second.

        Raises:
            TooManyRequests: it has sent as many already.
        """
        try:
            seconds = self._waits(key_id, rate)
        except OSError as error:  # a full disk, or a home that cannot be written to
            if not self._is_warned:
                log.warning("the rates of keys are not limited: %s", error)
            self._is_warned = True
            return
        self._is_warned = False
        if seconds > 0:
            raise TooManyRequests(rate, seconds)

    def close(self) -> None:
        """Gives back the files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _waits(self, key_id: str, rate: float) -> float:
        """Seconds that the request comes too early; 0 counts it."""
        file = self._files.get(key_id)
        if file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / key_id
            file = self._files[key_id] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(file):
            return 0
        try:
            now = time.monotonic()  # the same clock in every process of the machine
            each, ahead = 1 / rate, (max(1.0, rate) - 1) / rate
            stored = os.pread(file, TIME.size, 0)
            until = TIME.unpack(stored)[0] if len(stored) == TIME.size else now
            if not now <= until <= now + ahead + each:  # long ago, or of before the machine's start
                until = now
            if until - now > ahead:
                return float(until - now - ahead)
            os.pwrite(file, TIME.pack(until + each), 0)
            return 0
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _locked(file: int) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_SECONDS)
            continue
        return True
    return False
