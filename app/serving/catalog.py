"""Which model a name means, and the models that are loaded."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.serving.batching import Batcher, Observer
from app.serving.predictor import Predictor
from app.serving.signature import Signature
from app.serving.table_signature import TableSignature, signature_from_json
from app.store import trained_models
from app.store.database import Database

MAX_BYTES = 128 * 2**20
"""Bytes of graphs kept loaded; what was asked least recently goes first, the last one never."""
THREADS = 2
"""Threads that load models and run large batches."""

Name = tuple[str | None, str | None]
"""A reference, and the version of it that is wanted."""


@dataclass(frozen=True)
class Served:
    """A model that can be asked: its id, what it takes, its graph's digest and queue."""

    model_id: str
    signature: Signature | TableSignature
    digest: str
    batcher: Batcher


class Catalog:
    """Finds the model that an id or an alias names. It belongs to one event loop.

    What a name means is remembered until anything is committed to the database, by any process:
    a promotion counts from the next request on. (A database server is asked anew every 0.25 s.)
    """

    def __init__(self, database: Database, observe: Observer) -> None:
        self._database = database
        self._observe = observe
        self._threads = ThreadPoolExecutor(THREADS, "serving")
        self._stamp = -1
        self._is_fresh = False
        self._named: dict[Name, Served] = {}
        self._searches: dict[tuple[Name, int], asyncio.Task[Served]] = {}
        self._models: dict[str, Served] = {}
        self._loaded: OrderedDict[str, Batcher] = OrderedDict()

    async def find(self, ref: str | None, version: str | None = None) -> Served:
        """The model that a name means now; None means production, or latest if that is not set.

        Raises:
            ModelNotFound: nothing has this id or alias.
        """
        name = (ref, version)
        self._refresh()
        served = self._named.get(name) or await self._search(name)
        if served.digest in self._loaded:
            self._loaded.move_to_end(served.digest)
        return served

    def forget_names(self) -> None:
        """Looks every name up again: this process has changed one."""
        self._stamp = -1

    @property
    def waiting(self) -> int:
        """Images that wait for an answer."""
        return sum(batcher.waiting for batcher in tuple(self._loaded.values()))

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the graphs that are loaded."""
        return sum(batcher.predictor.bytes for batcher in tuple(self._loaded.values()))

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _refresh(self) -> None:
        """Forgets the names if anything was committed; looks once in a round of the event loop."""
        if self._is_fresh:
            return
        self._is_fresh = True
        asyncio.get_running_loop().call_soon(self._turn_stale)
        stamp = self._database.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._named.clear()

    def _turn_stale(self) -> None:
        self._is_fresh = False

    async def _search(self, name: Name) -> Served:
        """Looks a name up in a thread, once for all who wait for it since the last commit."""
        key = (name, self._stamp)
        search = self._searches.get(key)
        if search is None:
            search = asyncio.create_task(self._find(*key))
            self._searches[key] = search
            search.add_done_callback(lambda _: self._searches.pop(key))
        return await asyncio.shield(search)  # the others go on if this one gives up

    async def _find(self, name: Name, stamp: int) -> Served:
        loop = asyncio.get_running_loop()
        model_id = await loop.run_in_executor(self._threads, self._resolve, *name)
        served = self._models.get(model_id)
        if served is None:
            served = self._keep(await loop.run_in_executor(self._threads, self._load, model_id))
        if stamp == self._stamp:  # else a commit came between
            self._named[name] = served
        return served

    def _resolve(self, ref: str | None, version: str | None) -> str:
        with self._database.read() as connection:
            if ref is not None and version is not None:
                return trained_models.resolve_version(connection, ref, version)
            return trained_models.resolve(connection, ref)

    def _load(self, model_id: str) -> Served:
        with self._database.read() as connection:
            model = trained_models.get(connection, model_id)
            graph, digest = trained_models.file(connection, model_id, "onnx")
        dataset = model.signature.get("base") or model.spec["dataset"]["name"]
        signature = signature_from_json(model.signature, dataset)
        batcher = self._loaded.get(digest) or Batcher(
            Predictor(graph, signature.input_shape, signature.feed, signature.width),
            self._threads,
            self._observe,
        )
        return Served(model_id, signature, digest, batcher)

    def _keep(self, served: Served) -> Served:
        """Remembers a model, one queue for each graph, and lets the least recent go."""
        self._loaded.setdefault(served.digest, served.batcher)
        self._models[served.model_id] = served
        while len(self._loaded) > 1 and self.loaded_bytes > MAX_BYTES:
            gone, _ = self._loaded.popitem(last=False)
            self._models = {k: v for k, v in self._models.items() if v.digest != gone}
            self._named = {k: v for k, v in self._named.items() if v.digest != gone}
        return served
