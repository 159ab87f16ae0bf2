"""Resident memory of the API with so many models of different weights loaded."""

from pathlib import Path

import httpx
import psutil

from benchmarks.serving import network, servers
from benchmarks.serving.forms import PIXELS

COUNTS = (1, 10, 50)


def table(home: Path) -> str:
    """A row for each count of models; each model has answered once."""
    graphs = [network.onnx(seed + 1) for seed in range(max(COUNTS))]
    ids = network.publish(home, graphs)
    rows = [f"Graphs of {len(graphs[0]) / 1e6:.1f} MB each:\n", "| models loaded | resident |"]
    rows += ["|---|---|"]
    with servers.traind(home) as service:
        process = psutil.Process(service.processes["app"].pid)
        rows.append(f"| 0 | {process.memory_info().rss / 1e6:.0f} MB |")
        for number, model in enumerate(ids, 1):
            answer = httpx.post(
                f"{service.url}/models/{model}/predict",
                content=PIXELS[0].tobytes(),
                headers={"Content-Type": "application/octet-stream"},
            )
            assert answer.status_code == 200, answer.text
            if number in COUNTS:
                rows.append(f"| {number} | {process.memory_info().rss / 1e6:.0f} MB |")
    return "\n" + "\n".join(rows) + "\n"
