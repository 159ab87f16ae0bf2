"""What training processes find to compute on: asked in one of them, since torch is loaded there."""

import contextlib
from multiprocessing.connection import Connection
from typing import NamedTuple


class Device(NamedTuple):
    """What a run with `device: auto` would take."""

    kind: str
    """`cuda` or `cpu`."""
    name: str | None
    """What the GPU calls itself."""


CPU = Device("cpu", None)


def tell(connection: Connection) -> None:
    """Sends what there is; the process ends afterwards, and with it what CUDA has loaded."""
    import torch  # noqa: PLC0415 (it is loaded where this runs, and not in the supervisor)

    device = CPU
    with contextlib.suppress(RuntimeError, AssertionError):  # a driver that does not work
        if torch.cuda.is_available():
            device = Device("cuda", torch.cuda.get_device_name(0))
    connection.send(tuple(device))
    connection.close()
