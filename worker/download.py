"""Downloads MNIST and its family: the only importer of torchvision.

It runs as a process of its own, `python -m worker.download NAME FOLDER`: importing torchvision
takes 1.4 to 2.1 s, which no training process should pay.
"""

import contextlib
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from app.lifeline import Line, Process

FAILED = 3
"""Exit code of a download that failed; standard output says why."""
NETWORK_TIMEOUT_SECONDS = 20.0


class DownloadFailed(Exception):
    """A dataset could not be downloaded; the message says why."""


def fetch(name: str, folder: Path) -> None:
    """Has a process download the dataset that torchvision calls `name` to `folder/name/raw`.

    torchvision writes its files in place and takes any file of the right name for whole: give it a
    folder of its own, so that what a killed download leaves is not kept for ever.

    Raises:
        DownloadFailed: no mirror gave it.
    """
    command = [sys.executable, "-P", "-m", "worker.download", name, str(folder)]
    pipe = subprocess.PIPE
    with Process(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as process:
        output, errors = process.communicate()
    if process.returncode:
        told = (output if process.returncode == FAILED else errors).decode(errors="replace").split()
        raise DownloadFailed(" ".join(told) or f"exit code {process.returncode}")


def torchvision_datasets() -> Any:
    """torchvision's datasets, also where its operators do not load.

    The published torchvision is linked to CUDA. Beside a CPU build of torch its operators do not
    load, and the import fails where it describes them. Datasets use no operators, so it is enough
    to declare their schemas. They are declared only after that failure: a second declaration would
    abort the process.
    """
    try:
        return import_module("torchvision.datasets")
    except RuntimeError as error:
        if "nms does not exist" not in str(error):
            raise

    import torch  # noqa: PLC0415 (imports of datasets load this module, and need it not)

    for name in ("nms", "qnms"):
        schema = "(Tensor dets, Tensor scores, float threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    return import_module("torchvision.datasets")


def main(arguments: list[str]) -> int:
    """Downloads the dataset that the arguments name; returns the exit code."""
    name, folder = arguments
    socket.setdefaulttimeout(NETWORK_TIMEOUT_SECONDS)  # urllib would wait for ever
    try:
        with contextlib.redirect_stdout(sys.stderr):
            getattr(torchvision_datasets(), name)(folder, download=True)
    except (RuntimeError, OSError) as error:
        sys.stdout.write(str(error) or type(error).__name__)
        return FAILED
    return 0


if __name__ == "__main__":
    Line()
    sys.exit(main(sys.argv[1:]))
