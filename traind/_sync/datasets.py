# Made of traind/_async by scripts/sync_client.py: change it there.
"""Datasets of one's own: `client.datasets.add("cats/")`."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from app import answers
from traind._sync.connection import Connection
from traind._sync.waiting import in_thread, sleep
from traind.connecting import UNAVAILABLE, path_of
from traind.errors import DatasetRefused, Problem
from traind.packing import packed

PIECE = 2**20
"""Bytes that are read and sent at once."""
WAIT_SECONDS = 30.0
"""How long one request waits for an import."""
TABLES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson"}
"""Endings of files that are tables."""
PASSING = {"upload_busy", "upload_misplaced", "request_timeout"}
"""Problems of an upload that stalled, or whose broken connection is still written."""

Sent = Callable[[int, int], object]
"""Called with how many bytes have been sent, and how many there are."""
Imported = Callable[["answers.datasets.DatasetVersion"], object]
"""Called with a dataset while it is imported."""


class Datasets:
    """Those of one service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        on_sent: Sent | None = None,
        on_import: Imported | None = None,
        **options: Any,
    ) -> answers.datasets.DatasetVersion:
        """Sends a file, or a folder as a zip, and returns the dataset once jobs may train on it.

        Its name is by default that of the file. `options` are those of `POST /datasets`: `kind`,
        `image`, `table`, `parts`, `deduplicate`, `file`, `label`, `base`. CSV and JSON are
        tables, other files are pictures unless the options speak of a table.

        Raises:
            Problem: the service refuses the name or an option.
            DatasetRefused: it cannot use the file.
            CannotPack, OSError: the file or folder cannot be read.
            httpx.TransportError: the service cannot be reached any more.
        """
        path = Path(path)
        # The name is only shown: what of it is no UTF-8 is replaced.
        file_name = os.fsencode(path.name or path.resolve().name).decode(errors="replace")
        if "table" in options or path.suffix.lower() in TABLES:
            options.setdefault("kind", "table")
        with ExitStack() as lasting:
            file = in_thread(lasting.enter_context, packed(path))
            made = self.make(name or as_name(file_name), file_name=file_name, **options)
            self.send(made.id, file, on_sent)
        return self.imported(made.id, on_import)

    def make(self, name: str, **options: Any) -> answers.datasets.DatasetVersion:
        """A dataset that awaits its file.

        Raises:
            Problem: the name or an option is refused.
        """
        wanted = {"name": name, **options}
        return self._connection.read(
            answers.datasets.DatasetVersion, "POST", "/datasets", makes=True, json=wanted
        )

    def imported(
        self, ref: str, on_import: Imported | None = None
    ) -> answers.datasets.DatasetVersion:
        """The dataset once its import has ended.

        Raises:
            DatasetRefused: the file cannot be used.
        """
        while True:
            dataset = self.get(ref, WAIT_SECONDS if on_import is None else 1.0)
            if on_import is not None:
                on_import(dataset)
            if dataset.status == "refused":
                raise DatasetRefused(dataset)
            if dataset.status == "ready":
                return dataset

    def get(self, ref: str, wait: float = 0) -> answers.datasets.DatasetVersion:
        """The dataset that an id or a name (`my-cats`, `my-cats@2`) means: at once, or when its
        import has ended, within `wait` seconds."""
        return self._connection.read(
            answers.datasets.DatasetVersion, "GET", _path(ref), query={"wait": wait or None}
        )

    def list(
        self, limit: int | None = None, **filters: Any
    ) -> Iterator[answers.datasets.DatasetVersion]:
        """Versions, newest first: `name` (or `name@version`, or an id); None is all of them."""
        kind = answers.datasets.DatasetVersion
        for dataset in self._connection.each(kind, "/datasets", limit, **filters):
            yield dataset

    def report(self, ref: str) -> dict[str, Any]:
        """What was found in a dataset."""
        answer = self._connection.send("GET", _path(ref, "/report"))
        found: dict[str, Any] = answer.json()
        return found

    def retry(self, ref: str) -> answers.datasets.DatasetVersion:
        """Has a refused dataset imported again."""
        kind = answers.datasets.DatasetVersion
        path = _path(ref, "/retry")
        return self._connection.read(kind, "POST", path, repeatable=False)

    def delete(self, ref: str) -> None:
        """Deletes a version and its bytes."""
        self._connection.send("DELETE", _path(ref), repeatable=False)

    def send(self, dataset_id: str, file: Path, on_sent: Sent | None = None) -> None:
        """Sends the file; where the connection breaks, it goes on from what has arrived.

        Raises:
            Problem: the service refuses it.
            httpx.TransportError: the connection broke too often.
        """
        path, size = _path(dataset_id, "/content"), file.stat().st_size
        with file.open("rb") as opened:
            digest = in_thread(lambda: file_digest(opened, "sha256").digest())
            headers = {"Repr-Digest": f"sha-256=:{b64encode(digest).decode()}:"}
            patience, furthest = self._connection.patience(), 0
            while True:
                held = self._connection.send("HEAD", path)
                start = min(int(held.headers.get("Upload-Offset", "0")), max(0, size - 1))
                if start > furthest:
                    patience, furthest = self._connection.patience(), start
                if size:
                    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
                    headers["Content-Length"] = str(size - start)
                try:
                    self._connection.send_once(
                        "PUT", path, headers=headers, content=_pieces(opened, start, size, on_sent)
                    )
                except httpx.TransportError:
                    pause = patience.pause()
                    if pause is None:
                        raise
                except Problem as problem:
                    pause = patience.pause()
                    if problem.code == "not_awaited" and self._has_arrived(dataset_id):
                        return
                    goes_on = problem.code in PASSING or problem.status in UNAVAILABLE
                    if pause is None or not goes_on:
                        raise
                else:
                    return
                sleep(pause)

    def _has_arrived(self, dataset_id: str) -> bool:
        """Whether the file is there: the answer that said so may have been lost."""
        return (self.get(dataset_id)).content is not None


def as_name(file_name: str) -> str:
    """A dataset's name made of that of its file: `My Cats.zip` is `my-cats`."""
    stem = file_name.split(".", maxsplit=1)[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63] or "dataset"


def _path(ref: str, part: str = "") -> str:
    return path_of("datasets", ref, part)


def _pieces(file: BinaryIO, start: int, size: int, on_sent: Sent | None) -> Iterator[bytes]:
    file.seek(start)
    sent = start
    while piece := in_thread(file.read, min(PIECE, size - sent)):
        yield piece
        sent += len(piece)
        if on_sent is not None:
            on_sent(sent, size)
