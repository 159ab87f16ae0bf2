"""What runs find where they execute: asked in one of them, since torch is loaded there."""

import contextlib
from multiprocessing.connection import Connection
from typing import NamedTuple


class Capacity(NamedTuple):
    """What the largest run may have."""

    device: str
    """What one with `device: auto` would take: `cuda` or `cpu`."""
    device_name: str | None = None
    """What the GPU calls itself."""
    threads: int | None = None
    """Most threads; None for those of the worker's machine."""
    memory_mb: int | None = None
    """Most memory, in MB; None for the worker's share of its machine's."""


CPU = Capacity("cpu")


def tell(connection: Connection) -> None:
    """Sends what there is; the process ends afterwards, and with it what CUDA has loaded.

    It ends without a traceback, too, where the worker was stopped meanwhile and nobody listens.
    """
    import torch  # noqa: PLC0415 (it is loaded where this runs, and not in the supervisor)

    found = CPU
    with contextlib.suppress(RuntimeError, AssertionError):  # a driver that does not work
        if torch.cuda.is_available():
            found = Capacity("cuda", torch.cuda.get_device_name(0))
    with connection, contextlib.suppress(BrokenPipeError):
        connection.send(tuple(found))
