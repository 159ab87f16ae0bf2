"""How fast a run is, how long it will take, and when it is time to say so."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.jobspec import JobSpec
from worker.messages import Heartbeat, Step

REPORT_SECONDS = 0.1
"""Least time between two reports: measured, one each 100 ms costs nothing, one a step 8 to 22%."""
HEARTBEAT_SECONDS = 1.0
"""After so much silence a run says that it is alive."""
WINDOW_SECONDS = 2.0
"""The rate is the mean over about this long."""


class Pace:
    """Counts steps and says, at most every 100 ms, where the run is."""

    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec
        self._spoke_at = float("-inf")
        self._window: list[tuple[float, int]] = []
        self._rate = 0.0
        self._aside = 0.0

    def due(self, epoch: int, step: int) -> Step | None:
        """Where the run is, if it is time to say so; the first step is said at once."""
        if time.monotonic() - self._spoke_at < REPORT_SECONDS:
            return None
        return self.now(epoch, step)

    def beat(self) -> Heartbeat | None:
        """A sign of life where no step is made, if nothing was said for a while."""
        if time.monotonic() - self._spoke_at < HEARTBEAT_SECONDS:
            return None
        self._spoke_at = time.monotonic()
        return Heartbeat()

    def now(self, epoch: int, step: int) -> Step:
        """Where the run is after `step` steps, counted from the job's start."""
        self._spoke_at = time.monotonic()
        at = self._spoke_at - self._aside
        seen = self._samples(step)
        self._window = [(t, n) for t, n in self._window if at - t < WINDOW_SECONDS] + [(at, seen)]
        since, before = self._window[0]
        if at > since:
            self._rate = (seen - before) / (at - since)
        steps = self._spec.steps
        remaining = self._samples(steps) - seen
        return Step(
            epoch=epoch,
            epochs=self._spec.training.epochs,
            step=step,
            steps=steps,
            samples_per_second=self._rate,
            eta_seconds=remaining / self._rate if self._rate else None,
        )

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keeps the time of what is no step, such as an evaluation, out of the rate."""
        began = time.monotonic()
        yield
        self._aside += time.monotonic() - began

    def _samples(self, step: int) -> int:
        epochs, batches = divmod(step, self._spec.steps_per_epoch)
        images = self._spec.dataset.training_images
        return epochs * images + min(batches * self._spec.training.batch_size, images)
