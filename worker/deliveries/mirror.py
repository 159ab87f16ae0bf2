"""Mirrors ended jobs as runs of an MLflow server: parameters, curves, verdict, files, tags.

The job's id is a tag of its run, set when the run is made. An attempt looks for it first, so a job
whose mirroring was interrupted goes on in the same run; what is logged again is the same.
"""

import asyncio
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.codes import Status
from app.settings import Settings
from app.store import diagnoses, jobs, metrics, trained_models
from app.store.database import Database
from app.store.deliveries import Delivered, Delivery, Outcome, Undelivered
from app.store.jobs import Job
from app.store.metrics import Point

log = logging.getLogger("traind.worker")

# The library reads these when it is imported. What the operator has set counts.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # no other server is called
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

EXPERIMENT = "traind"
"""Name of the experiment, unless MLflow's own MLFLOW_EXPERIMENT_NAME says another."""
STATES = {Status.SUCCEEDED: "FINISHED", Status.FAILED: "FAILED", Status.CANCELLED: "KILLED"}
"""MLflow's words for how a job has ended."""
FILES = {"weights": "weights.safetensors", "onnx": "model.onnx", "report": "report.json"}
"""Files of a model, by what they are called among the artifacts."""
NO_PARAMETERS = {"name", "labels", "webhooks", "dataset.facts"}
"""Fields of a specification that choose nothing; `spec.json` among the artifacts has them."""
METRICS_AT_ONCE = 1000
PARAMETERS_AT_ONCE = 100
PARAMETER_CHARACTERS = 6000
TAG_CHARACTERS = 5000
"""Limits of one request and of one value, by MLflow's REST API."""
REFUSED = re.compile(r"[^/\w.\- ]")
"""Characters that MLflow takes in no tag's name."""


class Mirror:
    """Makes a run of each job."""

    at_once = 1

    def __init__(self, settings: Settings, database: Database) -> None:
        self._uri = settings.mlflow_uri
        self._base = settings.public_url
        self._database = database
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        self._client = MlflowClient(tracking_uri=self._uri)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """There is nothing to close."""

    async def send(self, delivery: Delivery) -> Outcome:
        """Makes the job's run, or completes it."""
        if not self._uri:
            return Undelivered("this worker has no TRAIND_MLFLOW_URI any more")
        try:
            return await asyncio.to_thread(self.mirror, delivery.job_id)
        except MlflowException as error:
            return Undelivered(f"the server refused it, or is away: {error}"[:300])

    def mirror(self, job_id: str) -> Delivered:
        """Makes the job's run, or completes it; blocks while it talks to the server.

        Raises:
            MlflowException: the server is away, or refuses something.
        """
        with self._database.read() as connection:
            job = jobs.get(connection, job_id)
        experiment = self._experiment_id()
        run = self._run_of(job, experiment)
        self._log_parameters(run, job)
        self._log_metrics(run, job)
        with tempfile.TemporaryDirectory(prefix="traind-mlflow-") as folder:
            self._write_files(Path(folder), job)
            self._client.log_artifacts(run, folder)
        self._client.set_terminated(run, STATES[job.status], _milliseconds(job.ended_at))
        where = f"{self._uri}/#/experiments/{experiment}/runs/{run}"
        return Delivered(
            f"mirrored as run {run} of experiment {self._experiment}",
            {"run": run, "experiment": experiment, "url": where},
        )

    def _experiment_id(self) -> str:
        known = self._client.get_experiment_by_name(self._experiment)
        if known is not None:
            return str(known.experiment_id)
        try:
            return str(self._client.create_experiment(self._experiment))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment_id()  # another worker was faster

    def _run_of(self, job: Job, experiment: str) -> str:
        """Id of the job's run, which is made unless an earlier attempt has made it."""
        found = self._client.search_runs([experiment], f"tags.`traind.job_id` = '{job.id}'")
        tags = self._tags(job)
        if found:
            run = str(found[0].info.run_id)
            self._client.log_batch(run, tags=[RunTag(*each) for each in tags.items()])
            return run
        begun = _milliseconds(job.started_at or job.created_at)
        made = self._client.create_run(experiment, begun, tags, run_name=job.name)
        return str(made.info.run_id)

    def _tags(self, job: Job) -> dict[str, str]:
        """What leads from the run to the job, and how the job has ended."""
        known = {
            "job_id": job.id,
            "job_url": f"{self._base}/jobs/{job.id}" if self._base else None,
            "model_id": job.model_id,
            "status": job.status,
            "verdict": job.verdict,
            "failure": f"{job.failure['code']}: {job.failure['message']}" if job.failure else None,
            "retry_of": job.retry_of,
            "range_of": job.range_of,
        }
        labels = {f"label.{REFUSED.sub('_', key)}": value for key, value in job.labels.items()}
        said = {**known, **labels}
        return {f"traind.{key}": value[:TAG_CHARACTERS] for key, value in said.items() if value}

    def _log_parameters(self, run: str, job: Job) -> None:
        said = [Param(key, value[:PARAMETER_CHARACTERS]) for key, value in parameters(job.spec)]
        for start in range(0, len(said), PARAMETERS_AT_ONCE):
            self._client.log_batch(run, params=said[start : start + PARAMETERS_AT_ONCE])

    def _log_metrics(self, run: str, job: Job) -> None:
        """Logs the curves, and behind them the latest values that no curve has.

        No point has a time of its own here, so all have that of the job's end.
        """
        at = _milliseconds(job.ended_at)
        drawn = set()
        for points in self._curves(job.id):
            drawn |= {point.name for point in points}
            logged = [Metric(point.name, point.value, at, point.step) for point in points]
            self._client.log_batch(run, metrics=logged)
        step = (job.progress or {}).get("step", 0)
        rest = [
            Metric(name, value, at, step)
            for name, value in job.metrics.items()
            if name not in drawn and isinstance(value, int | float)
        ]
        if rest:
            self._client.log_batch(run, metrics=rest)

    def _curves(self, job_id: str) -> Iterator[list[Point]]:
        """The points of the curves, as many at once as a request may have."""
        after = None
        while True:
            with self._database.read() as connection:
                points = metrics.points(connection, job_id, after, METRICS_AT_ONCE)
            if not points:
                return
            yield points
            after = (points[-1].name, points[-1].step)

    def _write_files(self, folder: Path, job: Job) -> None:
        """Writes the specification, the diagnosis and the model's files."""
        with self._database.read() as connection:
            diagnosis = diagnoses.get(connection, job.id)
        (folder / "spec.json").write_text(json.dumps(job.spec, indent=2))
        if diagnosis is not None:
            (folder / "diagnosis.json").write_text(json.dumps(diagnosis, indent=2))
        if job.model_id is None:
            return
        (folder / "model").mkdir()
        with self._database.read() as connection:
            there = trained_models.get(connection, job.model_id).files
        for kind in FILES.keys() & there.keys():
            with self._database.read() as connection:
                content, _ = trained_models.file(connection, job.model_id, kind)
            (folder / "model" / FILES[kind]).write_bytes(content)


def parameters(spec: dict[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a specification, with dots between the names; those that are null are left out.

    Lists are in JSON.
    """
    for name, value in spec.items():
        path = f"{place}{name}"
        if path in NO_PARAMETERS or value is None:
            continue
        if isinstance(value, dict):
            yield from parameters(value, f"{path}.")
        else:
            yield path, value if isinstance(value, str) else json.dumps(value)


def _milliseconds(microseconds: int | None) -> int:
    return (microseconds or 0) // 1000
