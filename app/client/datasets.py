"""Datasets of one's own through the API: `client.datasets.add("my-cats", "cats/")`."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from app.client.answers import content
from app.client.pages import each_item
from traind.connecting import quoted
from traind.errors import Problem
from traind.packing import packed

PIECE = 2**20
"""Bytes that are read and sent at once."""
BREAKS = 20
"""How often in a row an upload is taken up again without getting any further."""
WAIT_SECONDS = 30.0
"""How long one request waits for an import."""
TABLES = {".csv", ".tsv", ".jsonl", ".ndjson"}
"""Endings of files that are tables."""
SETTLED = {"ready", "refused"}

Sent = Callable[[int, int], object]
"""Called with how many bytes have been sent, and how many there are."""
Imported = Callable[[dict[str, Any]], object]
"""Called with a dataset while it is imported."""


class Refused(Exception):
    """The service cannot use the file; `dataset` says so, too."""

    def __init__(self, dataset: dict[str, Any]) -> None:
        self.dataset = dataset
        refusal = dataset["refusal"]
        super().__init__(f"{refusal['message']} {refusal['advice']}")


class Datasets:
    """Those of one service."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def add(
        self,
        name: str,
        path: str | Path,
        *,
        on_sent: Sent | None = None,
        on_import: Imported | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Sends a file, or a folder as a zip, and returns the dataset once jobs may train on it.

        `options` are those of `POST /datasets`: `kind`, `image`, `table`, `parts`, `deduplicate`,
        `file`, `label`. CSV and JSON lines are tables, other files are pictures unless the options
        speak of a table.

        Raises:
            Problem: the service refuses the name or an option.
            Refused: it cannot use the file.
            NothingToPack, OSError: the file cannot be read.
            httpx.TransportError: the service cannot be reached any more.
        """
        path = Path(path)
        if "table" in options or path.suffix.lower() in TABLES:
            options.setdefault("kind", "table")
        with packed(path) as file:
            made = self.make(name, file_name=path.name or path.resolve().name, **options)
            self.send(made["id"], file, on_sent)
        return self.imported(made["id"], on_import)

    def make(self, name: str, **options: Any) -> dict[str, Any]:
        """A dataset that awaits its file.

        Raises:
            Problem: the name or an option is refused.
        """
        return content(self._http.post("/datasets", json={"name": name, **options}))

    def send(self, dataset_id: str, file: Path, on_sent: Sent | None = None) -> dict[str, Any]:
        """Sends the file; where the connection breaks, it goes on from what has arrived.

        Raises:
            Problem: the service refuses it.
            httpx.TransportError: the connection broke too often.
        """
        size = file.stat().st_size
        with file.open("rb") as opened:
            digest = b64encode(file_digest(opened, "sha256").digest()).decode()
            breaks, furthest = 0, 0
            while True:
                start = min(self._received(dataset_id), max(0, size - 1))
                if start > furthest:
                    breaks, furthest = 0, start
                headers = {"Repr-Digest": f"sha-256=:{digest}:"}
                if size:
                    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
                    headers["Content-Length"] = str(size - start)
                pieces = _pieces(opened, start, size, on_sent)
                url = f"/datasets/{dataset_id}/content"
                try:
                    return content(self._http.put(url, content=pieces, headers=headers))
                except httpx.TransportError:
                    breaks += 1
                    if breaks > BREAKS:
                        raise
                except Problem as problem:
                    if problem.code == "not_awaited" and breaks:  # its answer may have been lost
                        arrived = self.get(dataset_id)
                        if arrived["content"] is not None:
                            return arrived
                    # What a broken connection has left behind may still be written.
                    breaks += 1
                    if problem.code not in ("upload_busy", "upload_misplaced") or breaks > BREAKS:
                        raise
                time.sleep(min(5.0, 0.1 * 2**breaks))

    def send_text(self, dataset_id: str, text: str) -> dict[str, Any]:
        """Sends a file that is a text, at once.

        Raises:
            Problem: the service refuses it.
        """
        url = f"/datasets/{quoted(dataset_id)}/content"
        return content(self._http.put(url, content=text.encode()))

    def _received(self, dataset_id: str) -> int:
        """How far the upload is; a service that restarts is asked again."""
        for attempt in range(BREAKS):
            try:
                answer = self._http.head(f"/datasets/{dataset_id}/content")
                break
            except httpx.TransportError:
                time.sleep(min(5.0, 0.1 * 2**attempt))
        else:
            answer = self._http.head(f"/datasets/{dataset_id}/content")
        if answer.is_error:  # an answer to HEAD has no body that says why
            self.get(dataset_id)
            raise Problem(answer.status_code, {})
        return int(answer.headers.get("Upload-Offset", "0"))

    def imported(self, ref: str, on_import: Imported | None = None) -> dict[str, Any]:
        """The dataset once its import has ended.

        Raises:
            Refused: the file cannot be used.
        """
        while True:
            dataset = self.get(ref, WAIT_SECONDS if on_import is None else 1.0)
            if on_import is not None:
                on_import(dataset)
            if dataset["status"] == "refused":
                raise Refused(dataset)
            if dataset["status"] in SETTLED:
                return dataset

    def get(self, ref: str, wait: float = 0) -> dict[str, Any]:
        """The dataset, at once, or when its import has ended, within `wait` seconds."""
        return content(
            self._http.get(f"/datasets/{quoted(ref)}", params={"wait": wait} if wait else {})
        )

    def list(self, **filters: Any) -> list[dict[str, Any]]:
        """The newest versions."""
        found: list[dict[str, Any]] = content(self._http.get("/datasets", params=filters))["data"]
        return found

    def each(self, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Versions, newest first: `name`; None is all of them."""
        return each_item(self._http, "/datasets", limit, **filters)

    def report(self, ref: str) -> dict[str, Any]:
        """What was found in a dataset."""
        return content(self._http.get(f"/datasets/{quoted(ref)}/report"))

    def retry(self, ref: str) -> dict[str, Any]:
        """Has a refused dataset imported again."""
        return content(self._http.post(f"/datasets/{quoted(ref)}/retry"))

    def delete(self, ref: str) -> None:
        """Deletes a version and its bytes."""
        answer = self._http.delete(f"/datasets/{quoted(ref)}")
        if answer.is_error:
            content(answer)


def _pieces(file: BinaryIO, start: int, size: int, on_sent: Sent | None) -> Iterator[bytes]:
    file.seek(start)
    sent = start
    while piece := file.read(min(PIECE, size - sent)):
        yield piece
        sent += len(piece)
        if on_sent is not None:
            on_sent(sent, size)
