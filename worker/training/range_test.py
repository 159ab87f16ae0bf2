"""The learning-rate range test of Smith 2017 (Cyclical Learning Rates, WACV, section 3.3).

A fresh copy of the network is trained for a few hundred mini-batches. Before each of them the rate
is raised by the same factor, from very low to very high. The rate at which the loss falls fastest
is a good one; the rate at which the loss explodes is too high. The loss is smoothed as fast.ai's
lr_find does it (Howard and Gugger 2020).

Where a class is rare, most small mini-batches hold no image of it. Their loss falls to nothing even
at rates that are far too high, by naming the frequent class. So each rate is kept for several
mini-batches there, and the images of each class are spread evenly over them.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import torch
from torch import Tensor, nn

from app.jobspec import JobSpec, RateRange
from worker.training import losses, method
from worker.training.batches import Images
from worker.training.checkpoint import Tensors
from worker.training.loop import Batch, Step
from worker.training.measurements import RangeTest
from worker.training.splits import stratified_order
from worker.training.state import State

SMOOTHING = 0.9
"""Weight of the mean so far in the smoothed loss; the newest loss has the rest."""
SETTLED = 10
"""The smoothed loss of fewer mini-batches is mostly chance, and is not taken for the least."""
EXPLODED = 4.0
"""The test ends where the smoothed loss is this many times its least value."""
BELOW_LEAST, WELL_BELOW_LEAST = 10.0, 4.0
"""The recommended rate is that of the steepest fall, but not less than the rate of the least loss
divided by the first number, and not more than that rate divided by the second."""
FALL_BEGINS = 0.9
"""The fall begins where this fraction of it still lies ahead."""
ENOUGH = 100
"""Mini-batches from which on the rate rises slowly enough: of 20 ones the loss has hardly time to
fall before a rate is reached that is too high."""
LEAST_RATE = 1e-12
"""No range may begin lower."""
NOISY = "The loss fell by no more than noise: take more `batches`, or a larger `batch_size`."
LOWER = "extend the range with a lower `lowest`"
UNBALANCED = 5.0
"""Above this ratio of the most frequent class to the rarest one a class is rare."""
SEEN = 2
"""Images of the rarest class that the smoothed loss is to rest on. Of 158 tests with 0.5 to 10% of
them and batches of 1 to 4, 16 recommended a rate that lost clearly to a lower one; with half as
many images 29, with twice as many 15 in a quarter more steps."""
IMAGES_AT_A_RATE = 32
"""Most images that are trained on at one rate, if one mini-batch does not hold more."""
FELL, SURELY = 0.92, 0.72
"""A rate is recommended only if the loss falls below the first fraction of its first value, and
either below the second one or by more than noise."""
NOISE = 4.5
"""Standard deviations of the smoothed loss by which noise alone hardly ever lowers its least value:
at rates that change nothing, by at most 4.6 in 96 tests with batches of 1 to 64 images."""


def range_test(
    spec: JobSpec,
    images: Images,
    criterion: nn.Module,
    limits: RateRange,
    *,
    device: torch.device,
    pretrained: Tensors | None = None,
    heartbeat: Callable[[], None],
) -> RangeTest:
    """Raises the rate `limits.batches` times, after one mini-batch of the spec's size each; where a
    class is rare, after several.

    `heartbeat` is called before each mini-batch; an exception that it raises ends the test.
    """
    rarest = _rarest(images.labels.bincount())
    repeats = 1 if rarest is None else _batches_at_a_rate(spec, rarest, limits)
    with torch.random.fork_rng(devices=[]):
        state = State(spec, device, pretrained)
        batches = endless(spec, images, heartbeat, evenly=rarest is not None)
        steps = method.steps(spec, state, criterion, batches)
        rates, smoothed = _ramp(spec, state, steps, criterion, limits, repeats=repeats)
    return _result(spec.training.batch_size, limits.batches, rates, smoothed)


def _rarest(counts: Tensor) -> float | None:
    """The fraction of the rarest class, by the images of each, (C,); None where no class is rare.

    A class without an image does not count.
    """
    counts = counts[counts > 0]
    least, most = int(counts.min()), int(counts.max())
    return least / int(counts.sum()) if most > UNBALANCED * least else None


def _batches_at_a_rate(spec: JobSpec, rarest: float, limits: RateRange) -> int:
    """How many mini-batches at each rate show the smoothed loss enough of the rarest class.

    The smoothed loss rests on the last 1 / (1 - SMOOTHING) rates. A test of several mini-batches at
    each rate takes no more steps than the run.
    """
    size = spec.training.batch_size
    wanted = math.ceil(SEEN * (1 - SMOOTHING) / (size * rarest))
    return max(1, min(wanted, IMAGES_AT_A_RATE // size, spec.steps // limits.batches))


def _ramp(
    spec: JobSpec,
    state: State,
    steps: Iterator[Step],
    criterion: nn.Module,
    limits: RateRange,
    *,
    repeats: int,
) -> tuple[list[float], list[float]]:
    """The rates that were tested, and the smoothed loss at each.

    With class weights a batch counts by its labels' weights, relative to its size; a batch without
    any weight says nothing, and neither does its rate. The first few losses are mostly chance: they
    explode only beyond what a guess has, too.
    """
    guess = losses.of_a_guess(spec.training.loss, spec.dataset.facts.classes)
    factor = (limits.highest / limits.lowest) ** (1 / (limits.batches - 1))
    rates: list[float] = []
    smoothed: list[float] = []
    mean = counted = 0.0
    for number in range(limits.batches):
        rate = limits.lowest * factor**number
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        loss = weight = 0.0
        for step in islice(steps, repeats):
            part = float(losses.weight(criterion, step.labels)) / len(step.labels) / repeats
            if part:
                loss += (1 - SMOOTHING) * part * step.loss.item()
                weight += part
        if not weight:
            continue
        mean = SMOOTHING * mean + loss
        counted = SMOOTHING * counted + (1 - SMOOTHING) * weight
        rates.append(rate)
        smoothed.append(mean / counted)
        bound = min(smoothed) if len(smoothed) > SETTLED else max(guess, min(smoothed))
        if not math.isfinite(mean) or smoothed[-1] > EXPLODED * bound:
            break
    return rates, smoothed


def endless(
    spec: JobSpec, images: Images, heartbeat: Callable[[], None], *, evenly: bool = False
) -> Iterator[Batch]:
    """Epoch after epoch, with the images of each class at equal distances if `evenly`; a last batch
    of one image is left out for batch normalization."""
    least = 2 if spec.model.batch_norm else 1
    order = _evenly if evenly else Images.shuffled
    epoch = 1
    while True:
        for batch in order(images, spec.training.batch_size, spec.training.seed, epoch):
            heartbeat()
            if len(batch[1]) >= least:
                yield batch
        epoch += 1


def _evenly(images: Images, size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """The batches of an epoch, in which the images of each class lie at equal distances."""
    for chosen in stratified_order(images.labels.cpu(), seed + epoch).split(size):
        yield images.draw(chosen)


def _result(batch_size: int, batches: int, rates: list[float], smoothed: list[float]) -> RangeTest:
    settled = range(min(SETTLED, len(smoothed) - 1), len(smoothed))
    least = min(settled, key=lambda at: _infinite_last(smoothed[at]))
    lowest = min(map(_infinite_last, smoothed))  # of all: the ramp ends by it, settled or not
    exploded = not math.isfinite(smoothed[-1]) or smoothed[-1] > EXPLODED * lowest
    first_fifth = smoothed[: max(1, len(smoothed) // 5)]
    began = sum(first_fifth) / len(first_fifth)
    recommended = steepest = None
    needed = max(SURELY * began, began - NOISE * _noise(smoothed))
    falls = smoothed[least] < FELL * began
    if falls and smoothed[least] < needed:
        steepest = rates[_steepest(smoothed, least, began)]
        good = max(steepest, rates[least] / BELOW_LEAST)
        recommended = min(good, rates[least] / WELL_BELOW_LEAST)
    return RangeTest(
        batch_size=batch_size,
        curve=[
            (rate, loss if math.isfinite(loss) else None)
            for rate, loss in zip(rates, smoothed, strict=True)
        ],
        recommended=None if recommended is None else _tested(recommended, rates),
        steepest=steepest,
        diverges_at=rates[-1] if exploded else None,
        advice=(
            NOISY
            if falls and recommended is None
            else _advice(recommended, rates, least, batches, exploded=exploded)
        ),
    )


def _noise(smoothed: list[float]) -> float:
    """Standard deviation of the smoothed loss between mini-batches, from its first changes.

    With m' = s m + (1 - s) l and losses l of variance v, m has the variance v (1 - s) / (1 + s) and
    its change 2 v (1 - s)^2 / (1 + s): that of m is that of its change over 2 (1 - s).
    """
    early = smoothed[SETTLED : SETTLED + max(SETTLED, len(smoothed) // 5)]
    changes = [after - before for before, after in pairwise(early)]
    if len(changes) < SETTLED // 2 or not all(map(math.isfinite, changes)):
        return 0.0
    return statistics.pstdev(changes) / math.sqrt(2 * (1 - SMOOTHING))


def _tested(rate: float, rates: list[float]) -> float:
    """The rate to two significant digits, within the rates that were tested."""
    return max(rates[0], min(float(f"{rate:.1e}"), rates[-1]))


def _advice(
    recommended: float | None, rates: list[float], least: int, batches: int, *, exploded: bool
) -> str | None:
    """Which end of the range to move, where the best rate may lie beyond it, or whether to take
    more mini-batches."""
    if recommended is None:
        if exploded:
            more = ", or take more `batches`" if batches < ENOUGH else ""
            return f"The loss exploded before it had fallen: {LOWER}{more}."
        lower = " or a lower `lowest`" if rates[0] > LEAST_RATE else ""
        return (
            "No rate of this range made the loss fall: extend the range, with a greater `highest`"
            f"{lower}."
        )
    if recommended < rates[0]:
        return f"The best rate may be below the lowest: {LOWER}."
    if least >= len(rates) - SETTLED and not exploded:
        return "The loss still fell at the highest rate: extend the range with a greater `highest`."
    if batches < ENOUGH:
        return f"So few mini-batches recommend too high a rate: take {ENOUGH} `batches` or more."
    return None


def _steepest(smoothed: list[float], least: int, began: float) -> int:
    """Position of the fastest fall on the way down to the least loss.

    The way down begins where the loss was last near its first value: earlier changes are noise.
    Slopes are taken over a few points for the same reason.
    """
    near = began - (1 - FALL_BEGINS) * (began - smoothed[least])
    begin = max((at for at in range(least) if smoothed[at] >= near), default=0)
    width = max(1, len(smoothed) // 40)
    slopes = {
        at: smoothed[min(at + width, least)] - smoothed[max(at - width, 0)]
        for at in range(begin, least + 1)
    }
    return min(slopes, key=lambda at: slopes[at])


def _infinite_last(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
