"""The learning-rate range test of Smith 2017 (Cyclical Learning Rates, WACV, section 3.3).

A fresh copy of the network is trained for a few hundred mini-batches while the rate grows from very
low to very high, by the same factor each time. Where the loss falls fastest, the rate is good;
where it explodes, too high. The loss is smoothed as fast.ai's lr_find does it (Howard and Gugger
2020).
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import nn

from app.jobspec import JobSpec, RateRange
from worker.training import method
from worker.training.batches import Images
from worker.training.loop import Batch, Step
from worker.training.measurements import RangeTest
from worker.training.state import State

SMOOTHING = 0.9
EXPLODED = 4.0
"""The test ends where the smoothed loss is so many times the least."""
BELOW_LEAST, WELL_BELOW_LEAST = 10.0, 4.0
"""Recommended is the rate of the steepest fall, but at least a tenth and at most a quarter of that
of the least loss."""
ON_THE_WAY = 0.9
"""Share of the fall that is still ahead where the way down begins."""
FELL = 0.92
"""Where no rate brings the loss below this share of what it began with, none is recommended."""


def range_test(
    spec: JobSpec,
    images: Images,
    criterion: nn.Module,
    limits: RateRange,
    *,
    device: torch.device,
    heartbeat: Callable[[], None],
) -> RangeTest:
    """Ramps the rate over `limits.batches` mini-batches of the spec's size.

    `heartbeat` is called before each; what it raises ends the test.
    """
    with torch.random.fork_rng(devices=[]):
        state = State(spec, device)
        steps = method.steps(spec, state, criterion, _endless(spec, images, heartbeat))
        rates, smoothed = _ramp(state, steps, limits)
    return _result(spec.training.batch_size, rates, smoothed)


def _ramp(
    state: State, steps: Iterator[Step], limits: RateRange
) -> tuple[list[float], list[float]]:
    """The rates that were tried, and the smoothed loss at each."""
    factor = (limits.highest / limits.lowest) ** (1 / (limits.batches - 1))
    rates: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for number in range(limits.batches):
        rate = limits.lowest * factor**number
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        loss = next(steps).loss.item()
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        rates.append(rate)
        smoothed.append(mean / (1 - SMOOTHING ** (number + 1)))
        if not math.isfinite(mean) or smoothed[-1] > EXPLODED * min(smoothed):
            break
    return rates, smoothed


def _endless(spec: JobSpec, images: Images, heartbeat: Callable[[], None]) -> Iterator[Batch]:
    """Epoch after epoch; batch normalization can't train on the one image that may be left over."""
    least = 2 if spec.model.batch_norm else 1
    epoch = 1
    while True:
        for batch in images.shuffled(spec.training.batch_size, spec.training.seed, epoch):
            heartbeat()
            if len(batch[1]) >= least:
                yield batch
        epoch += 1


def _result(batch_size: int, rates: list[float], smoothed: list[float]) -> RangeTest:
    least = min(range(len(smoothed)), key=lambda at: _infinite_last(smoothed[at]))
    exploded = not math.isfinite(smoothed[-1]) or smoothed[-1] > EXPLODED * smoothed[least]
    idle = smoothed[: max(1, len(smoothed) // 5)]
    began = sum(idle) / len(idle)
    recommended = steepest = None
    if smoothed[least] < FELL * began:
        steepest = rates[_steepest(smoothed, least, began)]
        good = max(steepest, rates[least] / BELOW_LEAST)
        recommended = _rounded(min(good, rates[least] / WELL_BELOW_LEAST))
    return RangeTest(
        batch_size=batch_size,
        curve=[
            (rate, loss if math.isfinite(loss) else None)
            for rate, loss in zip(rates, smoothed, strict=True)
        ],
        recommended=recommended,
        steepest=steepest,
        diverges_at=rates[-1] if exploded else None,
    )


def _steepest(smoothed: list[float], least: int, began: float) -> int:
    """Where the loss falls fastest on its way down to the least.

    The way begins where the loss was last near its beginning: what wavers before is noise. Slopes
    are taken over a few points, for the same reason.
    """
    near = began - (1 - ON_THE_WAY) * (began - smoothed[least])
    begin = max((at for at in range(least) if smoothed[at] >= near), default=0)
    width = max(1, len(smoothed) // 40)
    slopes = {
        at: smoothed[min(at + width, least)] - smoothed[max(at - width, 0)]
        for at in range(begin, least + 1)
    }
    return min(slopes, key=lambda at: slopes[at])


def _infinite_last(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _rounded(rate: float) -> float:
    """Two significant digits: more would claim what the test does not know."""
    return float(f"{rate:.1e}")
