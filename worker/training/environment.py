"""What a run's weights depend on, besides its spec and its dataset."""

import platform
from typing import Any

import numpy as np
import torch

from app.jobspec import JobSpec
from worker.training import method


class DeviceUnavailable(Exception):
    """The spec asks for a device that this worker does not have."""

    def __init__(self, device: str) -> None:
        super().__init__(f"This worker has no {device} device: PyTorch finds none on its machine.")


def choose_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        DeviceUnavailable: there is none of the wanted kind.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise DeviceUnavailable(wanted)
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def environment(spec: JobSpec, device: torch.device) -> dict[str, Any]:
    """The machine, and how gradients are computed: by which rule, and how many mini-batches at a
    time."""
    gradient = {"gradient": method.name(spec, device), "block": method.block(spec, device)}
    return machine(device) | gradient


def machine(device: torch.device) -> dict[str, Any]:
    """The device, its threads, the versions, and the processor's instructions."""
    return {
        "device": device.type,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
