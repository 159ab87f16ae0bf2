"""An import under way: its process, and what it has said. Times are those of `time.monotonic`."""

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

import msgspec

from app import lifeline
from app.store.leases import HEARTBEAT_SECONDS
from worker.imports.messages import Import, LastWord, Progress, decode, encode_order

log = logging.getLogger("traind.worker")

PROGRESS_SECONDS = 1.0
"""How often progress is written."""
CHUNK = 65536
"""Bytes that are read at once: as many as a pipe holds."""


class ImportProcess:
    """The process of one import, and what it has said.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, command: Sequence[str], wanted: Import) -> None:
        self.name = wanted.name
        self.progress: Progress | None = None
        self.last_word: LastWord | None = None
        self.has_ended = False
        self._rest = b""
        self._heard_at = time.monotonic()
        self._told: Progress | None = None
        self._told_at = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        theirs, ours = os.pipe()
        self.output = os.fdopen(theirs, "rb", buffering=0)
        os.set_blocking(theirs, False)
        try:
            self._process = lifeline.Process(
                command, stdin=subprocess.PIPE, stdout=ours, stderr=self._errors
            )
        except OSError:
            self.output.close()
            self._errors.close()
            raise
        finally:
            os.close(ours)
        if self._process.stdin is not None:
            # It is less than a pipe holds. A process that has died at once is found out later.
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(encode_order(wanted))

    @property
    def is_due(self) -> bool:
        """Whether something is to be written: an end, progress now and then, or the lease."""
        since = time.monotonic() - self._told_at
        moved = self.progress != self._told
        return self.has_ended or since > HEARTBEAT_SECONDS or (moved and since > PROGRESS_SECONDS)

    def written(self) -> None:
        """Notes that the database knows how far it is."""
        self._told, self._told_at = self.progress, time.monotonic()

    def listen(self) -> None:
        """Takes in what the process has said. Its end is known once its output has ended, too."""
        while not self.has_ended and (chunk := self._read()):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._hear(line)

    def _read(self) -> bytes:
        try:
            chunk = os.read(self.output.fileno(), CHUNK)
        except BlockingIOError:
            return b""
        self.has_ended = not chunk
        return chunk

    def _hear(self, line: bytes) -> None:
        self._heard_at = time.monotonic()
        try:
            said = decode(line)
        except msgspec.DecodeError:  # a library's word
            log.warning("the import of %s says: %r", self.name, line[:200])
            return
        if isinstance(said, Progress):
            self.progress = said
        else:
            self.last_word = said

    def death(self, patience: float) -> str | None:
        """How the process ended without a last word; None while it lives and says something."""
        if self.has_ended:
            self._process.kill()
            code = self._process.wait()
            if code < 0:
                return f"it was ended by {signal.Signals(-code).name}"
            return self._last_error() or f"it ended with code {code}"
        if time.monotonic() - self._heard_at > patience:
            return f"it said nothing for {patience:g} s"
        return None

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if len(lines) > 1:
            log.error("%s", "\n".join(lines[-50:]))
        return lines[-1] if lines else ""

    def close(self) -> None:
        """Ends the process, if it still lives, and gives back what it holds."""
        self._process.kill()
        self._process.wait()
        self.output.close()
        self._errors.close()
