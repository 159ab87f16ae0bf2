"""Tools about jobs: list, look, check, submit, end, and try again."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.cli.spec_fields import changed_fields
from app.mcp.connection import service
from app.mcp.job_answers import JobLine, JobList, JobState, Plan

JobId = Annotated[str, Field(description="Id of the job.")]
Spec = Annotated[
    dict[str, Any],
    Field(
        description="What to train; every field has a default, so that {} is a job. Example: "
        '{"preset": "digits", "training": {"epochs": 5, "optimizer": {"lr": 0.05}}}. Resource '
        "traind://spec-schema has every field with its limits, traind://presets the presets."
    ),
]
State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]


def list_jobs(
    status: Annotated[State | None, Field(description="Only jobs in this state.")] = None,
    label: Annotated[
        str | None, Field(description="Only jobs with this label, as key=value.")
    ] = None,
    dataset: Annotated[
        str | None,
        Field(description="Only jobs on this dataset: its name, name@version, or its id."),
    ] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="Most jobs to list.")] = 10,
) -> JobList:
    """List training jobs, newest first, a few fields each."""
    found = list(service().each_job(limit + 1, status=status, label=label, dataset=dataset))
    return JobList(jobs=[JobLine.of(job) for job in found[:limit]], more=len(found) > limit)


def show_job(job: JobId) -> JobState:
    """Show a job: state, progress, latest metrics, why it failed, and what it changed of the
    default specification."""
    found = service().job(job)
    return JobState.of(found, _changed(found["spec"]))


def validate_job(spec: Spec) -> Plan:
    """Check a specification and say what it would cost; nothing is stored. An error names each
    wrong field and what it must be."""
    plan = service().validate(spec)
    return Plan(
        estimated_seconds=plan["estimated_seconds"],
        parameters=plan["parameters"],
        steps=plan["steps"],
        steps_per_epoch=plan["steps_per_epoch"],
        training_examples=plan["training_images"],
        validation_examples=plan["validation_images"],
        checkpoint_bytes=plan["checkpoint_bytes"],
        changed=_changed(plan["spec"]),
    )


def submit_job(spec: Spec) -> JobState:
    """Submit a training job; a worker trains it in the background. Returns at once: follow it with
    wait_for_job. Each call makes another job."""
    return JobState.of(service().submit(spec))


def cancel_job(job: JobId) -> JobState:
    """End a job for good: a waiting one at once, a running one at its next step. It makes no
    model."""
    return JobState.of(service().cancel(job))


def retry_job(
    job: JobId,
    patch: Annotated[
        dict[str, Any] | None,
        Field(
            description="JSON merge patch (RFC 7396) of its specification, such as "
            '{"training": {"epochs": 20}}; null takes a field back to its default.'
        ),
    ] = None,
    from_checkpoint: Annotated[
        bool, Field(description="Go on from its newest checkpoint; not together with a patch.")
    ] = False,
) -> JobState:
    """Submit an ended job again as a new one, the same or with a patch of yours."""
    begin = "checkpoint" if from_checkpoint else "start"
    return JobState.of(service().retry(job, begin, patch=patch))


def apply_suggestion(job: JobId) -> JobState:
    """Submit an ended job again as a new one, with the cure that its diagnosis suggests.
    diagnose_job tells beforehand what that changes."""
    return JobState.of(service().retry(job, apply="suggestion"))


def _changed(spec: dict[str, Any]) -> dict[str, str]:
    return dict(changed_fields(service().validate({})["spec"], spec))
