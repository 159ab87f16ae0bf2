"""A curve on one line of text: `█▆▃▂▁▁`."""

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The finite values from the lowest to the highest bar; many of them are averaged."""
    finite = [value for value in values if math.isfinite(value)]
    size = max(1, math.ceil(len(finite) / width))
    groups = [finite[start : start + size] for start in range(0, len(finite), size)]
    means = [math.fsum(group) / len(group) for group in groups]
    lowest, highest = min(means, default=0.0), max(means, default=0.0)
    if lowest == highest:
        return BARS[0] * len(means)
    scale = (len(BARS) - 1) / (highest - lowest)
    return "".join(BARS[round((value - lowest) * scale)] for value in means)
