"""Follows a job to its end: a bar with loss and accuracy, its log above, then its findings."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.cli import findings
from app.cli.terminal import printable
from app.client import Client


def follow(client: Client, job: dict[str, Any], console: Console) -> None:
    """Shows what happens to a job until it ends, and what was wrong with it."""
    with Progress(
        TextColumn("{task.fields[epoch]}", style="bold", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[measured]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=console,
    ) as bars:
        bar = bars.add_task("", total=100.0, epoch="starting", measured="")
        measured: dict[str, str] = {}
        for message in client.watch(job["id"]):
            if message.kind == "progress":
                progress = message.data["progress"]
                epoch = f"epoch {progress['epoch']}/{progress['epochs']}"
                bars.update(bar, completed=progress["percent"], epoch=epoch)
                continue
            event = message.data
            if event["kind"] == "log" and "loss" in event["data"]:
                measured["loss"] = f"loss {event['data']['loss']:.3f}"
            if event["kind"] == "epoch" and "validation_accuracy" in event["data"]:
                measured["accuracy"] = f"accuracy {event['data']['validation_accuracy']:.2%}"
            bars.update(bar, measured="  ".join(measured.values()))
            bars.console.print(Text(printable(event["message"]), "dim"), soft_wrap=True)
    findings.show(client, job["id"], console)
