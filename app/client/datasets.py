"""Datasets of one's own through the API, as JSON: `client.datasets.add("my-cats", "cats/")`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.client.answers import content
from app.client.pages import each_item
from traind._sync.datasets import Datasets as TypedDatasets
from traind.connecting import path_of
from traind.errors import DatasetRefused

if TYPE_CHECKING:
    from app.answers.datasets import DatasetVersion
    from traind._sync.connection import Connection

Sent = Callable[[int, int], object]
"""Called with how many bytes have been sent, and how many there are."""
Imported = Callable[[dict[str, Any]], object]
"""Called with a dataset while it is imported."""


class Refused(Exception):
    """The service cannot use the file; `dataset` says so, too."""

    def __init__(self, error: DatasetRefused) -> None:
        self.dataset = _as_json(error.dataset)
        refusal = self.dataset["refusal"]
        super().__init__(f"{refusal['message']} {refusal['advice']}" if refusal else str(error))


class Datasets:
    """Those of one service."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._typed = TypedDatasets(connection)

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

        As `traind.Datasets.add`.

        Raises:
            Problem: the service refuses the name or an option.
            Refused: it cannot use the file.
            CannotPack, OSError: the file or folder cannot be read.
            httpx.TransportError: the service cannot be reached any more.
        """
        told = None if on_import is None else lambda each: on_import(_as_json(each))
        try:
            added = self._typed.add(path, name, on_sent=on_sent, on_import=told, **options)
        except DatasetRefused as error:
            raise Refused(error) from error
        return _as_json(added)

    def make(self, name: str, **options: Any) -> dict[str, Any]:
        """A dataset that awaits its file.

        Raises:
            Problem: the name or an option is refused.
        """
        return _as_json(self._typed.make(name, **options))

    def send(self, dataset_id: str, file: Path, on_sent: Sent | None = None) -> dict[str, Any]:
        """Sends the file; where the connection breaks, it goes on from what has arrived.

        Raises:
            Problem: the service refuses it.
            httpx.TransportError: the connection broke too often.
        """
        self._typed.send(dataset_id, file, on_sent)
        return self.get(dataset_id)

    def send_text(self, dataset_id: str, text: str) -> dict[str, Any]:
        """Sends a file that is a text, at once.

        Raises:
            Problem: the service refuses it.
        """
        url = path_of("datasets", dataset_id, "/content")
        return content(self._connection.send_once("PUT", url, content=text.encode()))

    def imported(self, ref: str) -> dict[str, Any]:
        """The dataset once its import has ended.

        Raises:
            Refused: the file cannot be used.
        """
        try:
            return _as_json(self._typed.imported(ref))
        except DatasetRefused as error:
            raise Refused(error) from error

    def get(self, ref: str, wait: float = 0) -> dict[str, Any]:
        """The dataset, at once, or when its import has ended, within `wait` seconds."""
        url = path_of("datasets", ref)
        return content(self._connection.send("GET", url, query={"wait": wait or None}))

    def list(self, **filters: Any) -> list[dict[str, Any]]:
        """The newest versions."""
        answer = content(self._connection.send("GET", "/datasets", query=filters))
        found: list[dict[str, Any]] = answer["data"]
        return found

    def each(self, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Versions, newest first: `name` (or `name@version`, or an id); None is all of them."""
        return each_item(self._connection, "/datasets", limit, **filters)

    def report(self, ref: str) -> dict[str, Any]:
        """What was found in a dataset."""
        return self._typed.report(ref)

    def retry(self, ref: str) -> dict[str, Any]:
        """Has a refused dataset imported again."""
        return _as_json(self._typed.retry(ref))

    def delete(self, ref: str) -> None:
        """Deletes a version and its bytes."""
        self._typed.delete(ref)


def _as_json(dataset: "DatasetVersion") -> dict[str, Any]:
    return dataset.model_dump(mode="json")
