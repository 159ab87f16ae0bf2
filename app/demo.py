"""The main job, end to end, over HTTP: train, watch, measure, classify, and stop everything."""

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from app import findings
from app.client import Client
from app.local import running
from app.settings import Settings

SHADES = " ░▒▓█"
SAMPLES = 6
"""How many test images are classified and drawn."""
REFERENCE: dict[str, Any] = {}
"""The reference job is what an empty specification means."""
EMBEDDED = {"name": "digits", "dataset": {"name": "digits"}, "training": {"log_every": 100}}
"""The same network and settings on the dataset that needs no download."""


def run(settings: Settings, console: Console) -> bool:
    """Runs the demonstration; returns whether a model was trained and answered."""
    log = settings.home / "demo.log"
    with running(_at_a_free_port(settings), log) as service, Client(service.url) as client:
        console.print(f"traind answers at [bold]{service.url}[/], its data is in {settings.home}/")
        for spec in (REFERENCE, EMBEDDED):
            job = train(client, spec, console)
            if job["status"] == "succeeded":
                break
            failure = job["failure"] or {}
            reason = f"{failure.get('message', job['status'])} {failure.get('advice', '')}"
            console.print(Text(reason, "yellow"), soft_wrap=True)
            if failure.get("code") != "dataset_unavailable":
                return False
        else:
            return False
        model = client.model(job["model"])
        accuracy = model["metrics"]["test_accuracy"]
        console.print(f"\n[bold]Test accuracy {accuracy:.2%}[/] (model {model['id']})\n")
        classify(client, model, settings.home / "datasets", console)
        console.print(
            f"\nThe API is described at [bold]{service.url}/docs[/]; "
            "`make serve` starts it again, with this model as `latest`."
        )
    return True


def train(client: Client, spec: dict[str, Any], console: Console) -> dict[str, Any]:
    """Submits a job and follows it to its end: a bar with loss and accuracy, its log above."""
    job = client.submit(spec)
    console.print(f"POST /jobs {spec or '{}'} -> {job['id']}")
    follow(client, job, console)
    return client.job(job["id"])


def follow(client: Client, job: dict[str, Any], console: Console) -> None:
    """Shows what happens to a job until it ends, and what was wrong with it."""
    with Progress(
        TextColumn("[bold]{task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[measured]}"),
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
            happened = message.data
            if happened["kind"] == "log" and "loss" in happened["data"]:
                measured["loss"] = f"loss {happened['data']['loss']:.3f}"
            if happened["kind"] == "epoch" and "validation_accuracy" in happened["data"]:
                measured["accuracy"] = f"accuracy {happened['data']['validation_accuracy']:.2%}"
            bars.update(bar, measured="  ".join(measured.values()))
            bars.console.print(Text(happened["message"], "dim"), soft_wrap=True)
    findings.show(client, job["id"], console)


def classify(client: Client, model: dict[str, Any], datasets: Path, console: Console) -> None:
    """Sends test images to POST /predict and draws each beside what the model says."""
    folder = datasets / model["spec"]["dataset"]["name"]
    images = np.load(folder / "test_images.npy", mmap_mode="r")
    labels = np.load(folder / "test_labels.npy", mmap_mode="r")
    chosen = range(0, len(images), len(images) // SAMPLES)[:SAMPLES]
    predictions = client.predict([images[index].tolist() for index in chosen], model["id"])
    brightest = model["pixel_range"][1]
    panels = []
    for index, said in zip(chosen, predictions, strict=True):
        truth = model["classes"][int(labels[index])]
        right = said["label"] == truth
        answer = f"{said['label']} ({said['confidence']:.1%})" + ("" if right else f", is {truth}")
        drawing = Text(draw(images[index][0] / brightest), no_wrap=True)
        panels.append(Panel(drawing, title=answer, border_style="green" if right else "red"))
    console.print(Columns(panels))


def draw(image: np.ndarray[Any, Any]) -> str:
    """An image of brightness 0 to 1, shape (H, W), as text: two rows of pixels to a line."""
    rows = image.shape[0] // 2
    pairs = image[: 2 * rows].reshape(rows, 2, -1).mean(axis=1)
    shades = np.rint(pairs * (len(SHADES) - 1)).astype(int)
    wide = 2 if image.shape[1] < 16 else 1
    return "\n".join("".join(SHADES[shade] * wide for shade in row) for row in shades)


def _at_a_free_port(settings: Settings) -> Settings:
    """Another program may hold the default port; a port that was asked for is kept."""
    if "TRAIND_PORT" in os.environ:
        return settings
    with socket.socket() as probe:
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    return settings.model_copy(update={"port": 0}) if taken else settings
