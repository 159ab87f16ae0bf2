"""What tools answer about jobs."""

from typing import Any, Self

from app.mcp.answers import Answer, rounded, rounded_metrics

NO_FAULT = {"healthy", "unknown", "off"}
"""Verdicts of runs in which nothing wrong has been found."""


class JobLine(Answer):
    """A job in a list."""

    id: str
    """Its id, for other tools."""
    name: str
    """What its owner calls it."""
    status: str
    """`queued`, `running`, `paused`, `succeeded`, `failed` or `cancelled`."""
    verdict: str
    """First finding of its diagnosis; `healthy`, `unknown` (nothing found yet) or `off`."""
    dataset: str
    """What it learns from."""
    percent: float | None = None
    """Share of its optimizer steps that are done, 0 to 100."""
    validation_accuracy: float | None = None
    """Fraction of correct predictions on validation examples, 0 to 1."""
    test_accuracy: float | None = None
    """Fraction of correct predictions on test examples, 0 to 1; once it has succeeded."""
    model: str | None = None
    """Id of the model that it made."""

    @classmethod
    def of(cls, job: dict[str, Any]) -> Self:
        """The API's job in short."""
        return cls(**_line(job))


class JobList(Answer):
    """Jobs, newest first."""

    jobs: list[JobLine]
    """Those that match."""
    more: bool
    """Whether older ones match, too."""


class JobState(JobLine):
    """Where a job is, and what to do next."""

    epoch: int | None = None
    """The epoch that is being trained, from 1."""
    epochs: int
    """Epochs of the whole job."""
    eta_seconds: float | None = None
    """Seconds until its last step; while it runs."""
    metrics: dict[str, float | None]
    """Latest values: losses in nats, accuracies from 0 to 1, null where not finite."""
    failure: str | None = None
    """Why it failed, with the code first, and what to change."""
    retry_of: str | None = None
    """Id of the job that it retries."""
    changed: dict[str, str] | None = None
    """Fields of its specification that are not the defaults, by path, each value as JSON."""
    next: str
    """What to do next."""

    @classmethod
    def of(cls, job: dict[str, Any], changed: dict[str, str] | None = None) -> Self:
        """The API's job without its specification."""
        progress, failure = job["progress"] or {}, job["failure"]
        said = failure and f"{failure['code']}: {failure['message']} {failure['advice']}"
        return cls(
            **_line(job),
            epoch=progress.get("epoch"),
            epochs=job["spec"]["training"]["epochs"],
            eta_seconds=rounded(progress.get("eta_seconds")) if _runs(job) else None,
            metrics=rounded_metrics(job["metrics"]),
            failure=said or None,
            retry_of=job["retry_of"],
            changed=changed,
            next=next_step(job),
        )


class Plan(Answer):
    """What a specification would run. Nothing has been stored."""

    estimated_seconds: float | None = None
    """From start to published model, about; absent until a worker has measured its speed."""
    parameters: int
    """Trainable numbers of the network."""
    steps: int
    """Optimizer steps (mini-batches) of the whole job."""
    steps_per_epoch: int
    """Optimizer steps of an epoch."""
    training_examples: int
    """Images or rows that each epoch trains on."""
    validation_examples: int
    """Images or rows held out for validation."""
    checkpoint_bytes: int
    """Size of one checkpoint in bytes, about."""
    changed: dict[str, str]
    """Fields that are not the defaults, by path, each value as JSON."""


def next_step(job: dict[str, Any]) -> str:
    """What an agent should do about a job in this state."""
    verdict, status = job["verdict"], job["status"]
    diagnosed = verdict not in NO_FAULT
    if status in ("queued", "running"):
        return "Call wait_for_job (again); it returns at the end of the job or of its own time."
    if status == "paused":
        return f"It waits until a person resumes it: `traind resume {job['id']}`."
    if status == "succeeded" and not diagnosed:
        return "predict asks its model; promote_model makes it the one that answers by default."
    if diagnosed:
        return f"diagnose_job explains {verdict}; apply_suggestion mends it where it has a cure."
    return "retry_job submits it again, with a patch of its specification where one is needed."


def _line(job: dict[str, Any]) -> dict[str, Any]:
    progress, metrics = job["progress"], job["metrics"]
    return {
        "id": job["id"],
        "name": job["name"],
        "status": job["status"],
        "verdict": job["verdict"],
        "dataset": job["spec"]["dataset"]["name"],
        "percent": progress and rounded(progress["percent"]),
        "validation_accuracy": rounded(metrics.get("validation_accuracy")),
        "test_accuracy": rounded(metrics.get("test_accuracy")),
        "model": job["model"],
    }


def _runs(job: dict[str, Any]) -> bool:
    return bool(job["status"] == "running")
