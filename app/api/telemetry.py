"""Prometheus metrics: what the API did, and what the store says of jobs and workers."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from app.api.routes import Route, needs
from app.api.state import TheCatalog, TheDatabase
from app.processes import METRICS
from app.serving.catalog import Catalog
from app.store import statistics, workers
from app.store.database import Database, now
from app.store.keys import Scope
from app.store.workers import Worker

log: structlog.stdlib.BoundLogger = structlog.get_logger("traind.api")
router = APIRouter(tags=["service"], route_class=Route)

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
READING = {"GET", "OPTIONS"}
"""Methods that change nothing, and are not logged. (HEAD is a GET by now.)"""
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MODELS = 20
"""Models with a series of their own in the latencies: those that answered last."""
OTHER = "other"
"""Stands for every further model where series cannot be taken away: with several processes."""
LOOK_SECONDS = 1.0
"""How old the gauges of one of several processes may be in the answer of another."""


class Telemetry:
    """The numbers that this process counts itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "traind_http_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "traind_http_request_duration_seconds",
            "From a request's first byte to its answer's last; model is empty where none answered. "
            f"The {MODELS} models that answered last have series of their own.",
            ["method", "route", "model"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "traind_predict_batch_images",
            "Images that a model answered as one batch.",
            buckets=IMAGES,
            registry=self.registry,
        )
        self._waiting = Gauge(
            "traind_predict_queue_images",
            "Images that wait for a model.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._loaded = Gauge(
            "traind_predict_loaded_bytes",
            "Graphs kept loaded.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str, str], Histogram] = {}
        self._models: OrderedDict[str, None] = OrderedDict()

    def look(self, catalog: Catalog) -> None:
        """Takes in what the models of this process have to do."""
        self._waiting.set(catalog.waiting)
        self._loaded.set(catalog.loaded_bytes)

    async def keep_looking(self, catalog: Catalog) -> None:
        """Does so until cancelled, where any of several processes may be asked for all of them."""
        while METRICS in os.environ:
            self.look(catalog)
            await asyncio.sleep(LOOK_SECONDS)

    def batch(self, images: int) -> None:
        """A batch was answered."""
        self._batches.observe(images)

    def request(self, method: str, route: str, status: int, model: str, seconds: float) -> None:
        """A request was answered."""
        # The children are kept here: to look one up by its labels takes longer than to count.
        counted = (method, route, status)
        counter = self._counters.get(counted)
        if counter is None:
            counter = self._counters[counted] = self._requests.labels(method, route, str(status))
        counter.inc()
        timed = (method, route, self._label(model) if model else "")
        histogram = self._histograms.get(timed)
        if histogram is None:
            histogram = self._histograms[timed] = self._seconds.labels(*timed)
        histogram.observe(seconds)

    def _label(self, model: str) -> str:
        """The label of a model that answered; the series of the one that is due make room for it.

        A model that answers again after its series have gone starts at zero, which Prometheus takes
        for a restart.
        """
        if model in self._models:
            self._models.move_to_end(model)
            return model
        if len(self._models) == MODELS:
            if METRICS in os.environ:
                return OTHER
            oldest, _ = self._models.popitem(last=False)
            for timed in [each for each in self._histograms if each[2] == oldest]:
                del self._histograms[timed]
                self._seconds.remove(*timed)
        self._models[model] = None
        return model


class Measured:
    """Wraps an application and counts its answers."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            # A path that no route has is not a label: anyone can send as many as he likes.
            path = getattr(scope.get("route"), "path", "none")
            model = scope["state"].get("model", "")
            seconds = time.perf_counter() - began
            self._telemetry.request(scope["method"], path, status, model, seconds)
            if scope["method"] not in READING:
                key = scope["state"]["key"]
                log.info(
                    "request",
                    method=scope["method"],
                    path=path,
                    status=status,
                    key=key.id if key else None,
                )


class Stored(Collector):
    """What is asked of the store at each scrape."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Jobs by state, training rate, workers."""
        with self._database.read() as connection:
            counts = statistics.count_by_status(connection)
            rate = statistics.training_rate(connection)
            known = workers.listed(connection)
            at = now(connection)
        by_state = GaugeMetricFamily("traind_jobs", "Jobs by state.", labels=["status"])
        for status, count in counts.items():
            by_state.add_metric([status], count)
        yield by_state
        yield GaugeMetricFamily(
            "traind_training_images_per_second", "Training rate of all running jobs.", rate
        )
        yield from _of_workers(known, at)


def _of_workers(known: Sequence[Worker], at: int) -> Iterator[Metric]:
    """Series by the name of the worker, which only one living worker has; they go as it goes."""
    by_name = {each.name: each for each in sorted(known, key=lambda each: each.heartbeat_at)}
    measures: dict[tuple[str, str], Callable[[Worker], float]] = {
        ("heartbeat_age_seconds", "Since a worker was heard; above 30 s it counts as dead."): (
            lambda worker: (at - worker.heartbeat_at) / workers.SECOND
        ),
        ("slots", "Jobs that a worker trains at once."): lambda worker: worker.slots,
        ("jobs", "Jobs that a worker trains now."): lambda worker: len(worker.jobs),
        ("draining", "1 where a worker takes no more jobs."): (
            lambda worker: float(worker.drain is not None)
        ),
    }
    for (name, meaning), measure in measures.items():
        family = GaugeMetricFamily(f"traind_worker_{name}", meaning, labels=["worker"])
        for worker in by_name.values():
            family.add_metric([worker.name], measure(worker))
        yield family
    alive = sum(worker.is_alive for worker in known)
    yield GaugeMetricFamily("traind_workers_alive", "Workers that were heard lately.", alive)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
@needs(Scope.READ, takes_any_query=True)
def metrics(request: Request, database: TheDatabase, catalog: TheCatalog) -> Response:
    """Requests and latencies, batches, queue, jobs by state, training rate, workers.

    Latencies of predictions are told by model for the 20 that answered last. Several processes on
    one machine count together where PROMETHEUS_MULTIPROC_DIR names a folder.
    """
    stored = CollectorRegistry()
    stored.register(Stored(database))
    telemetry: Telemetry = request.app.state.telemetry
    telemetry.look(catalog)
    counted = telemetry.registry
    if METRICS in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    text = generate_latest(counted) + generate_latest(stored)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
