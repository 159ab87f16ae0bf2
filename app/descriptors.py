"""Notices when a process has no file descriptor left for a connection.

The event loop says nothing of it: libuv accepts such a connection and closes it at once, so that
the client sees a reset. No code of the service runs.
"""

import errno
import logging
import os
import resource

log = logging.getLogger("traind.api")

QUIET_SECONDS = 60.0
"""How long nothing is said after a warning."""


class Descriptors:
    """Warns, once a minute at most, while none is left."""

    def __init__(self) -> None:
        self._next_warning = float("-inf")

    def look(self, now: float) -> None:
        """Takes a descriptor and gives it back; `now` is in seconds of a clock that only rises."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and now >= self._next_warning:
                self._next_warning = now + QUIET_SECONDS
                self._warn(error)

    def _warn(self, error: OSError) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        log.warning(
            "no file descriptor is left (%s): new connections are reset until others end. This "
            "process may have %d; allow it more (`ulimit -n`, LimitNOFILE of systemd).",
            error.strerror,
            limit,
        )
