"""An hour's work in ten minutes: predictions, followers, jobs and promotions, all at once.

    python -m benchmarks.load [--seconds 600] [--jobs 20] [--plot benchmarks/load.svg]

64 clients ask for predictions, each with a pause between two; a tenth of the time they are alone,
which gives the idle figure. Then 8 clients follow events, jobs train one after the other, and an
alias moves every second. The clients share the cores with the service.
"""

import argparse
import asyncio
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil

from app.client import Client
from app.local import running
from app.settings import Settings
from benchmarks import machine

CLIENTS, FOLLOWERS = 64, 8
PAUSE_SECONDS = 0.25
"""Between two requests of a client: about 250 requests a second of all."""
SPEC: dict[str, Any] = {"dataset": {"name": "digits"}, "training": {"batch_size": 32}}
TRIAL_EPOCHS = 200


@dataclass
class Measured:
    """What happened, by seconds since the start."""

    began: float = field(default_factory=time.perf_counter)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    """Resident MB of the API, and of the worker with its processes."""
    errors: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    trained_until: float = 0.0
    """When the last job ended: what comes later is no load."""
    switches: int = 0
    events: int = 0

    @property
    def now(self) -> float:
        return time.perf_counter() - self.began

    def quantile(self, part: float, begin: float, end: float) -> float:
        """Milliseconds."""
        return 1000 * quantile([took for at, took in self.latencies if begin <= at < end], part)


def quantile(values: Iterable[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(part * len(ordered)) - 1] if ordered else math.nan


class Traffic:
    """All clients, until `end` seconds."""

    def __init__(self, http: aiohttp.ClientSession, measured: Measured, end: float) -> None:
        self._http = http
        self._measured = measured
        self._end = end

    @property
    def goes_on(self) -> bool:
        return self._measured.now < self._end

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """An answer; what is not a success is kept as an error."""
        try:
            async with self._http.request(method, path, json=body) as answer:
                if answer.status >= 400:
                    self._measured.errors.append(f"{path}: {await answer.text()}")
                    return None
                return await answer.json()
        except aiohttp.ClientError as error:
            self._measured.errors.append(f"{path}: {error!r}")
            return None

    async def predict(self, number: int) -> None:
        """One client that asks for predictions."""
        await asyncio.sleep(PAUSE_SECONDS * number / CLIENTS)
        body = {"inputs": [[float(number % 16)] * 64], "model": "production"}
        while self.goes_on:
            began = self._measured.now
            await self.call("POST", "/predict", body)
            self._measured.latencies.append((began, self._measured.now - began))
            await asyncio.sleep(PAUSE_SECONDS)

    async def train(self, count: int, epochs: int) -> None:
        """Jobs, one after the other."""
        spec = SPEC | {"training": {**SPEC["training"], "epochs": epochs}}
        for number in range(count):
            made = await self.call("POST", "/jobs", spec | {"name": f"load {number}"})
            job = made
            while job and job["status"] in {"queued", "running"}:
                job = await self.call("GET", f"/jobs/{made['id']}?wait=5")
            if not job or job["status"] != "succeeded":
                self._measured.errors.append(f"job {number}: {job}")
            self._measured.jobs.append(made["id"])
            self._measured.trained_until = min(self._measured.now, self._end)

    async def follow(self) -> None:
        """One client that follows the events of whatever job is running."""
        while self.goes_on:
            found = await self.call("GET", "/jobs?status=running&limit=1")
            if not found or not found["data"]:
                await asyncio.sleep(0.2)
                continue
            path = f"/jobs/{found['data'][0]['id']}/events"
            headers = {"Accept": "text/event-stream"}
            async with self._http.get(path, headers=headers, timeout=None) as stream:
                async for line in stream.content:
                    self._measured.events += line.startswith(b"data:")

    async def switch(self, models: list[str]) -> None:
        """Moves the alias every second."""
        while self.goes_on:
            model = models[self._measured.switches % 2]
            await self.call("PUT", "/models/aliases/production", {"model": model})
            self._measured.switches += 1
            await asyncio.sleep(1)

    async def weigh(self, api: int, worker: int) -> None:
        """Notes the memory every second."""
        while self.goes_on:
            trees = (_resident(pid) for pid in (api, worker))
            self._measured.memory.append((self._measured.now, *trees))
            await asyncio.sleep(1)


def _resident(pid: int) -> float:
    process = psutil.Process(pid)
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


async def drive(
    url: str, pids: tuple[int, int], models: list[str], plan: tuple[float, int, int]
) -> tuple[Measured, float]:
    """The whole run; returns what was measured and when the idle part ended."""
    seconds, jobs, epochs = plan
    idle = seconds / 10
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as http:
        measured = Measured()
        traffic = Traffic(http, measured, seconds)
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(traffic.predict(number))
            tasks.create_task(traffic.weigh(*pids))
            await asyncio.sleep(idle)
            for _ in range(FOLLOWERS):
                tasks.create_task(traffic.follow())
            tasks.create_task(traffic.switch(models))
            tasks.create_task(traffic.train(jobs, epochs))
    return measured, idle


def prepare(client: Client, seconds: float, jobs: int) -> tuple[list[str], int]:
    """Two models to switch between, and the epochs that make the jobs fill the time."""
    models = []
    for _ in range(2):
        spec = SPEC | {"training": {**SPEC["training"], "epochs": TRIAL_EPOCHS}}
        began = time.perf_counter()
        job = client.submit(spec)
        while client.job(job["id"], wait=5)["status"] != "succeeded":
            pass
        took = time.perf_counter() - began
        models.append(client.job(job["id"])["model"])
    epochs = max(1, int(TRIAL_EPOCHS * 0.5 * seconds * 0.9 / jobs / took))  # half speed under load
    return models, epochs


def plot(measured: Measured, idle: float, seconds: float, file: Path) -> None:
    """Latency and memory over time."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 (only here, and slow to load)

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(9, 6), layout="constrained")
    width = max(1.0, seconds / 120)
    times = [index * width for index in range(int(seconds / width))]
    for part, name in ((0.5, "median"), (0.99, "p99")):
        values = [measured.quantile(part, at, at + width) for at in times]
        above.plot(times, values, label=name)
    above.set_ylabel("POST /predict, ms")
    at, api, worker = zip(*measured.memory, strict=True)
    below.plot(at, api, label="API")
    below.plot(at, worker, label="worker and its processes")
    below.set_ylabel("resident memory, MB")
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.axvline(idle, color="grey", linestyle=":", label="training begins")
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.savefig(file)


def main() -> None:
    """Runs it and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    if arguments.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install '.[peers]'")
    print(machine.described_when_idle("torch", "onnxruntime", "fastapi"))
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        with running(settings, Path(home) / "log") as service, Client(service.url) as client:
            models, epochs = prepare(client, arguments.seconds, arguments.jobs)
            first = {"model": models[0]}
            httpx.put(f"{service.url}/models/aliases/production", json=first).raise_for_status()
            pids = (service.processes["app"].pid, service.processes["worker"].pid)
            plan = (arguments.seconds, arguments.jobs, epochs)
            measured, idle = asyncio.run(drive(service.url, pids, models, plan))
    ended = measured.now
    apart, beside = (
        measured.quantile(0.99, *span) for span in ((1, idle), (idle, measured.trained_until))
    )
    settled = [
        each for each in measured.memory if arguments.seconds / 4 < each[0] < measured.trained_until
    ]
    half = len(settled) // 2
    grown = [
        statistics.median(row[column] for row in settled[half:])
        - statistics.median(row[column] for row in settled[:half])
        for column in (1, 2)
    ]
    result = {
        "predictions": len(measured.latencies),
        "errors": len(measured.errors),
        "jobs": len(measured.jobs),
        "trained_until": round(measured.trained_until, 1),
        "events": measured.events,
        "switches": measured.switches,
        "p99_idle_ms": round(apart, 2),
        "p99_loaded_ms": round(beside, 2),
        "ratio": round(beside / apart, 2),
        "api_grew_mb": round(grown[0], 1),
        "worker_grew_mb": round(grown[1], 1),
        "seconds": round(ended, 1),
    }
    print(json.dumps(result, indent=2))
    for error in measured.errors[:10]:
        print(error[:300])
    if arguments.plot:
        plot(measured, idle, arguments.seconds, arguments.plot)


if __name__ == "__main__":
    main()
