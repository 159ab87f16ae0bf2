"""Runs jobs in this process, as the training process does."""

from collections.abc import Callable
from typing import Any, TypeVar

from app.jobspec import JobSpec
from worker.messages import Finished, Report
from worker.training.dataset import Dataset
from worker.training.run import Run

Kind = TypeVar("Kind")


def digits_spec(**training: Any) -> JobSpec:
    """A job on digits that takes a fraction of a second."""
    chosen = {"epochs": 2, "batch_size": 32, "log_every": 10, "optimizer": {"lr": 0.05}}
    return JobSpec.model_validate({"dataset": {"name": "digits"}, "training": chosen | training})


def run(
    spec: JobSpec, dataset: Dataset, stop_requested: Callable[[], str | None] = lambda: None
) -> tuple[Finished, list[Report]]:
    """The finished model and what was reported on the way."""
    reports: list[Report] = []
    return Run(spec, dataset, reports.append, stop_requested).run(), reports


def of(kind: type[Kind], reports: list[Report]) -> list[Kind]:
    """The reports of one kind."""
    return [report for report in reports if isinstance(report, kind)]
