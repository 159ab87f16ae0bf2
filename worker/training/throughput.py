"""How fast a run is, how long it will take, and when it is time to report it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.jobspec import JobSpec
from worker.messages import Heartbeat, Step

REPORT_SECONDS = 0.1
"""Least time between two reports of a young run."""
OLD_SECONDS = 10.0
"""From this age of a run on, the time between two reports grows with the age. Each report costs API
and worker time, maybe on the processor that trains (benchmarks/idle.py)."""
LONGEST = 2.5
"""Times REPORT_SECONDS: it grows no further."""
HEARTBEAT_SECONDS = 1.0
"""Least time between a report and the heartbeat that follows it."""
WINDOW_SECONDS = 2.0
"""The throughput is a mean over about this time."""


class Throughput:
    """Measures images per second, and reports where the run is."""

    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec
        self._began_at = time.monotonic()
        self._reported_at = self._due_at = float("-inf")
        self._window: list[tuple[float, int]] = []
        self._rate = 0.0
        self._excluded = 0.0

    def due(self, epoch: int, step: int) -> Step | None:
        """Where the run is, if a report is due; the first step is reported at once."""
        if time.monotonic() < self._due_at:
            return None
        return self.now(epoch, step)

    def heartbeat(self) -> Heartbeat | None:
        """A sign of life for work that is no step, if nothing was reported for a while."""
        if time.monotonic() - self._reported_at < HEARTBEAT_SECONDS:
            return None
        self._reported_at = time.monotonic()
        return Heartbeat()

    def now(self, epoch: int, step: int) -> Step:
        """Where the run is after `step` steps, counted from the job's start."""
        self._reported_at = time.monotonic()
        age = self._reported_at - self._began_at
        self._due_at = self._reported_at + REPORT_SECONDS * min(
            max(1.0, age / OLD_SECONDS), LONGEST
        )
        at = self._reported_at - self._excluded
        seen = self._images(step)
        self._window = [(t, n) for t, n in self._window if at - t < WINDOW_SECONDS] + [(at, seen)]
        since, before = self._window[0]
        if at > since:
            self._rate = (seen - before) / (at - since)
        steps = self._spec.steps
        remaining = self._images(steps) - seen
        return Step(
            epoch=epoch,
            epochs=self._spec.training.epochs,
            step=step,
            steps=steps,
            samples_per_second=self._rate,
            eta_seconds=remaining / self._rate if self._rate else None,
        )

    @contextmanager
    def excluding(self) -> Iterator[None]:
        """Leaves the time of the block, such as an evaluation, out of the throughput."""
        began = time.monotonic()
        yield
        self._excluded += time.monotonic() - began

    def _images(self, step: int) -> int:
        """Training images that the run has seen by the end of a step."""
        epochs, batches = divmod(step, self._spec.steps_per_epoch)
        images = self._spec.dataset.training_images
        return epochs * images + min(batches * self._spec.training.batch_size, images)
