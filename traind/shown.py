"""What a job and a model look like: in a terminal, and in a notebook."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.answers.charts import ChartData
    from app.answers.jobs import Job
    from app.answers.models import TrainedModel

WIDTH, HEIGHT = 480, 140
"""Size of the picture of the loss, in pixels."""
COLORS = ("#2563eb", "#ea580c", "#16a34a")


class AsyncShownJob:
    """A job, shown as it was when the API was asked last."""

    answer: "Job"

    def __repr__(self) -> str:
        return f"<Job {self.answer.id}: {line(self.answer)}>"

    def _repr_html_(self) -> str:
        return job_html(self.answer)


class ShownJob(AsyncShownJob):
    """A job, shown in a notebook with its loss so far."""

    def charts(self) -> "list[ChartData]":
        """The pictures of its report as numbers."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return job_html(self.answer, self.charts())


class ShownModel:
    """A model."""

    answer: "TrainedModel"

    def __repr__(self) -> str:
        accuracy = self.answer.metrics.get("test_accuracy")
        measured = "" if accuracy is None else f", test accuracy {accuracy:.1%}"
        names = f" ({', '.join(self.answer.aliases)})" if self.answer.aliases else ""
        return f"<Model {self.answer.id}{names}: {len(self.answer.classes)} classes{measured}>"


def line(job: "Job") -> str:
    """How a job is, in one line."""
    said = [job.status.value]
    progress = job.progress
    if progress is not None and job.ended_at is None:
        said.append(f"epoch {progress.epoch}/{progress.epochs}, {progress.percent:.0f}%")
        if progress.eta_seconds is not None:
            said.append(f"{progress.eta_seconds:.0f} s left")
    for name, value in job.metrics.items():
        if value is not None and name in {"running_loss", "validation_accuracy", "test_accuracy"}:
            shown = f"{value:.1%}" if name.endswith("accuracy") else f"{value:.3f}"
            said.append(f"{name.replace('_', ' ')} {shown}")
    if job.failure is not None:
        said.append(job.failure.message)
    return ", ".join(said)


def job_html(job: "Job", charts: "Sequence[ChartData]" = ()) -> str:
    """A job as part of a page: what it is, how far, and its loss."""
    percent = 0.0 if job.progress is None else job.progress.percent
    picture = next((svg(chart) for chart in charts if chart.picture == "loss"), "")
    return (
        f"<div><strong>{escape(job.name)}</strong> <code>{escape(job.id)}</code><br>"
        f'<progress max="100" value="{percent:.1f}" style="width:{WIDTH}px"></progress><br>'
        f"{escape(line(job))}<br>{picture}</div>"
    )


def svg(chart: "ChartData") -> str:
    """The lines of a chart as a small picture, both axes from the least to the greatest value."""
    lines = [(line.name, [(x, y) for x, y in line.points if y is not None]) for line in chart.lines]
    points = [point for _, line in lines for point in line]
    if not points:
        return ""
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    across, up = (right - left) or 1.0, (high - low) or 1.0
    drawn, legend = [], []
    for (name, line), color in zip(lines, COLORS, strict=False):
        at = " ".join(
            f"{(x - left) / across * WIDTH:.1f},{(high - y) / up * HEIGHT:.1f}" for x, y in line
        )
        drawn.append(f'<polyline points="{at}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        legend.append(f'<span style="color:{color}">{escape(name)}</span>')
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" '
        f'role="img" aria-label="{escape(chart.title)}">{"".join(drawn)}</svg><br>'
        f"<small>{escape(chart.y_label)} from {low:.3g} to {high:.3g}: {', '.join(legend)}</small>"
    )
