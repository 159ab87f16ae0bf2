"""Trains planted specs in this process, and says what was found."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.jobspec import JobSpec
from tests.diagnosis.draws import Planted, spec_of
from worker.messages import Diagnosed, Epoch, Finished, Report
from worker.training.dataset import Dataset
from worker.training.interruptions import Diverged
from worker.training.measurements import Measurements
from worker.training.run import Run


@dataclass(frozen=True)
class Seen:
    """How a run ended: its last diagnosis, what it was made from, and the test accuracy."""

    diagnosis: dict[str, Any]
    measurements: Measurements
    accuracy: float
    meanwhile: set[str]
    """Findings that were said while it trained."""

    @property
    def codes(self) -> list[str]:
        """The findings of severity warning or above, ranked; `healthy` where there are none."""
        severe = [f["code"] for f in self.diagnosis["findings"] if f["severity"] != "info"]
        return severe or ["healthy"]


def train(plant: Planted, datasets: dict[str, Dataset], spec: JobSpec | None = None) -> Seen:
    """Trains a planted spec, or another one in its place, on the dataset that it tampers with."""
    spec = spec or spec_of(plant.fields)
    dataset = datasets[spec.dataset.name]
    if plant.tamper is not None:
        dataset = plant.tamper(dataset, np.random.default_rng(zlib.crc32(plant.name.encode())))
    said: list[Report] = []

    def report(message: Report) -> None:
        said.append(message)
        if isinstance(message, Epoch) and message.epoch == 1 and plant.sabotage is not None:
            plant.sabotage(run)

    run = Run(spec, dataset, report, lambda: None)
    accuracy = 0.0
    try:
        finished = run.run()
        if isinstance(finished, Finished):
            accuracy = finished.metrics["test_accuracy"]
    except Diverged:
        pass
    *earlier, last = (message.diagnosis for message in said if isinstance(message, Diagnosed))
    meanwhile = {finding["code"] for each in earlier for finding in each["findings"]}
    return Seen(last, run.measurements, accuracy, meanwhile)
