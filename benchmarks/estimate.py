"""How well `POST /jobs/validate` foresees a job's time: 30 varied specs, foreseen and run.

Specs are drawn at random (the seed is printed) from networks, batch sizes, optimizers and
datasets that the calibration has not measured; each runs as a real job. One line each, then the
share within 25%.
"""

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.client import Client
from app.local import Service
from app.settings import Settings
from benchmarks.machine import described_when_idle

SPECS = 30
LONGEST_SECONDS = 40.0
CALIBRATION_SECONDS = 120.0


def main(seed: int) -> None:
    print(described_when_idle("torch"), f"seed {seed}")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        service = Service(settings, Path(home) / "log")
        try:
            service.start("app", "worker")
            with Client(service.url) as client:
                await_calibration(client)
                for name in ("digits", "mnist"):  # decoded before anything is timed
                    ended(client, client.submit(tiny(name)))
                errors = [compare(client, chance) for _ in range(SPECS)]
        finally:
            service.stop()
    close = np.mean(np.abs(errors) <= 0.25)
    print(f"within 25%: {close:.0%} of {SPECS}; median error {np.median(np.abs(errors)):.0%}")


def compare(client: Client, chance: random.Random) -> float:
    """The relative error of one estimate."""
    while True:
        spec = drawn(chance)
        foreseen = client.validate(spec)["estimated_seconds"]
        if foreseen < LONGEST_SECONDS:
            break
    job = ended(client, client.submit(spec))
    began, finished = (np.datetime64(job[at][:-1]) for at in ("started_at", "ended_at"))
    took = float((finished - began) / np.timedelta64(1, "s"))
    error = foreseen / took - 1
    print(f"{foreseen:6.2f} s foreseen, {took:6.2f} s taken, {error:+5.0%}  {spec}", flush=True)
    return error


def drawn(chance: random.Random) -> dict[str, Any]:
    """A spec that takes from a second to half a minute."""
    model: dict[str, Any] = {
        "hidden": [chance.choice([20, 100, 200, 400, 700]) for _ in range(chance.randint(0, 3))],
        "activation": chance.choice(["relu", "tanh", "sigmoid"]),
    }
    if chance.random() < 0.25:
        model |= {"kind": "cnn", "channels": chance.choice([[4], [6, 12], [16, 32]])}
        model["hidden"] = [chance.choice([32, 100])]
    dataset: dict[str, Any] = {"name": chance.choice(["digits", "mnist", "mnist"])}
    if chance.random() < 0.2:
        dataset["augment"] = {"shift": 1.0, "rotation": 5.0}
    optimizer: dict[str, Any] = {"name": chance.choice(["sgd", "sgd", "adam", "adamw", "rmsprop"])}
    training = {
        "epochs": chance.randint(1, 8),
        "batch_size": chance.choice([8, 24, 48, 100, 200, 400]),
        "optimizer": optimizer,
        "log_every": 500,
        "precision": chance.choice(["float32", "float32", "bfloat16"]),
    }
    return {"dataset": dataset, "model": model, "training": training}


def tiny(dataset: str) -> dict[str, Any]:
    return {"dataset": {"name": dataset, "limit": 100}, "training": {"epochs": 1}}


def ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job at its end."""
    while job["status"] in {"queued", "running"}:
        job = client.job(job["id"], wait=30)
    return job


def await_calibration(client: Client) -> None:
    """Waits until the worker has measured itself."""
    deadline = time.monotonic() + CALIBRATION_SECONDS
    while client.validate({})["estimated_seconds"] is None:
        if time.monotonic() > deadline:
            raise TimeoutError("the worker has not calibrated itself")
        time.sleep(0.5)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(10**6))
