"""`traind backbone`: puts the weights of a backbone where the service finds them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.exit_codes import ERROR
from app.cli.terminal import AsJson, console, print_error, print_json, printable


def backbone(
    name: Annotated[str, typer.Argument(help="Which one: resnet18.")],
    file: Annotated[
        Path,
        typer.Argument(help="torchvision's weights, .pth, or .safetensors with its names."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Put the weights of a backbone, from which networks may start, where the service finds them.

    The file is read in a process of its own, and nothing but tensors of it.
    """
    from app import lifeline
    from app.jobspec import backbones
    from app.settings import Settings

    if name not in backbones.SOURCES:
        raise typer.BadParameter(f"{name} is no backbone; there is {', '.join(backbones.SOURCES)}")
    folder = Settings.from_environment().backbone_files
    command = [sys.executable, "-P", "-m", "worker.convert_backbone", name, str(file), str(folder)]
    with lifeline.Process(command, stderr=subprocess.PIPE) as converting:
        _, errors = converting.communicate()
    if converting.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        print_error(lines[-1] if lines else f"exit code {converting.returncode}")
        raise typer.Exit(ERROR)
    made = backbones.file(folder, name)
    size = made.stat().st_size
    if as_json:
        print_json({"file": str(made), "bytes": size})
        return
    console.print(f"{printable(str(made))}: {size / 1e6:.1f} MB")
