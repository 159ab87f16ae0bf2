"""Predictions a second beside other servers, and what loaded models weigh.

    python -m benchmarks.serving [--rounds 3] [--seconds 2] [--write]

Every server has the same network (784-500-10, ReLU) and the first core for all its processes; the
same client has the second. Each is started, measured and stopped, round after round; figures are
medians. Peers live in environments of their own under .venv-peers, made by `make bench-peers`.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.jobspec import JobSpec
from benchmarks import machine, readme
from benchmarks.serving import convolutions, loaded_models
from benchmarks.serving.contest import Benchmark
from benchmarks.serving.forms import MANY

CONNECTIONS = (1, 8, 64)


def main() -> None:
    arguments = _arguments()
    heading = machine.described_when_idle("onnxruntime", "uvicorn", "fastapi", "torch")
    before = machine.others()
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(Path(folder), arguments.seconds, JobSpec())
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in benchmark.contenders()}
        for _ in range(arguments.rounds):
            for name, measured in results.items():
                found = benchmark.measure(name, CONNECTIONS)
                if found is None:
                    print(f"{name}: not installed (make bench-peers)", file=sys.stderr)
                    continue
                measured.append(found)
                print(name, json.dumps(found), file=sys.stderr, flush=True)
        table = _table({name: each for name, each in results.items() if each}, benchmark.forward())
        table += benchmark.with_wrk()
        table += loaded_models.table(Path(folder) / "many")
    table += convolutions.table(arguments.rounds, arguments.seconds)
    heading += f", medians of {arguments.rounds} rounds; {machine.since(before)}"
    text = f"{heading}:\n\n{table}"
    print(text)
    if arguments.write:
        readme.write("serving", text)


def _table(results: dict[str, list[dict[str, Any]]], forward: float) -> str:
    heads = [f"{c} connection{'s' if c > 1 else ''}" for c in CONNECTIONS]
    rows = [
        f"| requests a second (p50 / p99 in ms) | {' | '.join(heads)} | 64 images a request |",
        "|---" * (len(heads) + 2) + "|",
    ]
    naive = _median(results["naive FastAPI"], "64", "rate")
    for name, measured in results.items():
        cells = []
        for connections in map(str, CONNECTIONS):
            rate, p50, p99 = (_median(measured, connections, k) for k in ("rate", "p50", "p99"))
            cells.append(f"{rate:,.0f} ({p50:.2f} / {p99:.2f})")
        if "many" in measured[0]:
            images = MANY * _median(measured, "many", "rate")
            cells.append(f"{images:,.0f} images a second ({images / forward:.0%} of forward)")
        else:
            cells.append("")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    floor = _median(results["uvicorn alone"], "64", "rate")
    json_rate, raw_rate = (
        _median(results[f"**traind, {f}**"], "64", "rate") for f in ("JSON", "raw")
    )
    rows.append("")
    rows.append(
        f"The forward pass alone, 64 images at once: {forward:,.0f} images a second. At 64 "
        f"connections JSON is {json_rate / naive:.1f} times naive FastAPI, raw bytes "
        f"{raw_rate / floor:.0%} of uvicorn alone."
    )
    return "\n".join(rows) + "\n"


def _median(measured: list[dict[str, Any]], load: str, what: str) -> float:
    return statistics.median(each[load][what] for each in measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
