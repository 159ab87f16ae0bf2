"""The main job, end to end, over HTTP: train, watch, measure, classify, and stop everything."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from app import address
from app.cli.follow import follow
from app.cli.terminal import printable
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
    settings = _with_a_free_port(settings)
    with (
        running(settings, settings.home / "demo.log") as service,
        Client(service.url, direct=True) as client,
    ):
        console.print(f"traind answers at {service.url}, its data is in {settings.home}/")
        for spec in (REFERENCE, EMBEDDED):
            job = train(client, spec, console)
            if job["status"] == "succeeded":
                break
            failure = job["failure"] or {}
            reason = f"{failure.get('message', job['status'])} {failure.get('advice', '')}"
            console.print(Text(printable(reason), "yellow"))
            if failure.get("code") != "dataset_unavailable":
                return False
        else:
            return False
        model = client.model(job["model"])
        accuracy = model["metrics"]["test_accuracy"]
        console.print(Text(f"\nTest accuracy {accuracy:.2%} (model {model['id']})\n", "bold"))
        classify(client, model, settings.home / "datasets", console)
        console.print(
            "\n`make serve` starts it again, with this model as `latest`: its page is at "
            f"{service.url}, the API is described at {service.url}/docs."
        )
    return True


def train(client: Client, spec: dict[str, Any], console: Console) -> dict[str, Any]:
    """Says what a job trains, submits it and follows it to its end."""
    console.print(describe(client.validate(spec)))
    job = client.submit(spec)
    console.print(f"POST /jobs {json.dumps(spec)} -> {job['id']}")
    follow(client, job, console)
    return client.job(job["id"])


def describe(plan: dict[str, Any]) -> str:
    """What the answer of POST /jobs/validate would train, and with what."""
    dataset, training = plan["spec"]["dataset"]["name"], plan["spec"]["training"]
    held_out = plan["validation_images"]
    images = f"{plan['training_images'] + held_out:,} images ({held_out:,} for validation)"
    network = "-".join(map(str, plan["layer_sizes"]))
    optimizer = training["optimizer"]
    return (
        f"Dataset {dataset}: {images}. Network {network}: {plan['parameters']:,} parameters, "
        f"trained for {training['epochs']} epochs in mini-batches of {training['batch_size']} by "
        f"{optimizer['name']} at a learning rate of {optimizer['lr']:g}."
    )


def classify(client: Client, model: dict[str, Any], datasets: Path, console: Console) -> None:
    """Sends test images to POST /predict and draws each beside what the model says."""
    folder = datasets / model["spec"]["dataset"]["name"]
    images = np.load(folder / "test_images.npy", mmap_mode="r")
    labels = np.load(folder / "test_labels.npy", mmap_mode="r")
    chosen = range(0, len(images), len(images) // SAMPLES)[:SAMPLES]
    predictions = client.predict([images[index].tolist() for index in chosen], model["id"])
    brightest = model["pixel_range"][1]
    panels = []
    for index, prediction in zip(chosen, predictions, strict=True):
        truth = model["classes"][int(labels[index])]
        is_correct = prediction["label"] == truth
        title = f"{prediction['label']} ({prediction['confidence']:.1%})"
        title += "" if is_correct else f", is {truth}"
        drawing = Text(draw(images[index][0] / brightest), no_wrap=True)
        color = "green" if is_correct else "red"
        panels.append(Panel(drawing, title=Text(printable(title)), border_style=color))
    console.print(Columns(panels), soft_wrap=False)


def draw(image: np.ndarray[Any, Any]) -> str:
    """An image of brightness 0 to 1, shape (H, W), as text: two rows of pixels to a line."""
    rows = image.shape[0] // 2
    pairs = image[: 2 * rows].reshape(rows, 2, -1).mean(axis=1)
    shades = np.rint(pairs * (len(SHADES) - 1)).astype(int)
    wide = 2 if image.shape[1] < 16 else 1
    return "\n".join("".join(SHADES[shade] * wide for shade in row) for row in shades)


def _with_a_free_port(settings: Settings) -> Settings:
    """The settings, with another port if the default one is taken; a port that was set is kept."""
    try:
        address.check_free(settings.host, settings.port)
    except address.AddressUnavailable:
        if "port" in settings.model_fields_set:
            raise
        return settings.model_copy(update={"port": 0})
    return settings
