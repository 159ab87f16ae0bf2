"""The device and torch's settings: what a run's weights depend on besides spec and dataset."""

import os
import platform
from typing import Any

import numpy as np
import torch

from app.jobspec import JobSpec
from worker.training import method, products

WORKSPACE = ":4096:8"
"""Sizes of cuBLAS' work buffers with which its results are reproducible
(https://docs.nvidia.com/cuda/cublas/#results-reproducibility)."""


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


def prepare(spec: JobSpec, device: torch.device) -> None:
    """Sets torch up so that the same run gives the same bits each time.

    On a GPU torch uses deterministic algorithms, and warns about operations that have none. These
    lines have not run on a GPU yet.
    """
    torch.set_num_threads(spec.resources.threads)  # the number changes the last bits
    torch.set_flush_denormal(True)  # dead units' velocities would be denormals, 16 times slower
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)
        torch.use_deterministic_algorithms(True, warn_only=True)


def described(spec: JobSpec, device: torch.device) -> dict[str, Any]:
    """The machine, and how gradients are computed: by which rule, how many mini-batches at a time,
    and with products of which precision; on a GPU also whether the step is captured."""
    precision = str(method.precision(spec, device)).removeprefix("torch.")
    gradient = {"gradient": method.name(spec, device), "block": method.block(spec, device)}
    if device.type == "cuda":
        gradient["captured"] = method.is_captured(spec, device)
    return machine(device) | gradient | {"products": precision}


def changes(before: dict[str, Any], now: dict[str, Any], spec: JobSpec) -> list[str]:
    """What of the environment has changed since a checkpoint, in words."""
    # by checkpoints of older versions
    untold = {"block": 1, "products": spec.training.precision, "blas": "default"}
    untold["captured"] = False
    before = untold | before
    return [
        f"{name} was {before.get(name)}, is {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]


def machine(device: torch.device) -> dict[str, Any]:
    """Device, threads and versions. Of a CPU also its instructions and the library of its large
    products, of a GPU its name."""
    found = {
        "device": device.type,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
    if device.type == "cpu":
        found["blas"] = products.library()
    if device.type == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return found


def peak_memory(device: torch.device) -> dict[str, int]:
    """Peak memory of tensors on the GPU, in bytes; nothing on a CPU."""
    if device.type != "cuda":
        return {}
    return {"gpu_memory_bytes": torch.cuda.max_memory_allocated(device)}
