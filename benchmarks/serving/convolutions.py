"""A network that takes longer than the request around it: that of the preset `mnist-best`."""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.jobspec import JobSpec
from app.jobspec.presets import PRESETS
from benchmarks.serving.contest import Benchmark
from benchmarks.serving.forms import MANY

CONNECTIONS = 64
CONTENDERS = ["**traind, JSON**", "**traind, raw**", "LitServe", "MLServer", "BentoML"]


def table(rounds: int, seconds: float) -> str:
    """A row for each server; a batch is one image of each connection."""
    with tempfile.TemporaryDirectory() as folder:
        spec = JobSpec.model_validate({"model": PRESETS["mnist-best"].spec["model"]})
        benchmark = Benchmark(Path(folder), seconds, spec)
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
        for _ in range(rounds):
            for name, measured in results.items():
                found = benchmark.measure(name, [CONNECTIONS])
                if found is not None:
                    measured.append(found[str(CONNECTIONS)])
                    print(name, json.dumps(found), file=sys.stderr, flush=True)
        forward = benchmark.forward()
    batch = 1000 * MANY / forward
    rows = [
        f"The convolutions of `mnist-best`, {CONNECTIONS} connections; a batch of {MANY} images "
        f"takes {batch:.1f} ms by itself:\n",
        "| | requests a second | of the forward pass | p50 / p99 in ms | p99 in batches |",
        "|---|---|---|---|---|",
    ]
    for name, measured in results.items():
        if measured:
            rate, p50, p99 = (
                statistics.median(each[what] for each in measured)
                for what in ("rate", "p50", "p99")
            )
            rows.append(
                f"| {name} | {rate:,.0f} | {rate / forward:.0%} | {p50:.1f} / {p99:.1f} | "
                f"{p99 / batch:.1f} |"
            )
    return "\n" + "\n".join(rows) + "\n"
