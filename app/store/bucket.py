"""Uploaded files in a bucket, through obstore: S3 and what speaks its protocol.

Keys are those of the folder, `sha256/ab/abcd…`. Credentials and the endpoint come from the
environment, as obstore reads it (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import from_url

from app.store.object_errors import ObjectsUnavailable

PIECE = 2**20
"""Bytes of a piece of a stream, at least."""
PART = 8 * 2**20
"""Bytes of a part of an upload; `AT_ONCE` of them are in memory."""
AT_ONCE = 4
MOST_PARTS = 9_000
"""S3 takes 10,000 parts of an upload."""
PUT_ATTEMPTS = 3
CONNECT_SECONDS, SILENCE_SECONDS, BRIEF_SECONDS = 3, 15, 5
"""How long a connection, the next byte of an answer, and a small request as a whole may take."""
HOUR = timedelta(hours=1)

CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"status code: (\d+)")
NO_CREDENTIALS = ("169.254.", "metadata")
REFUSED = {"401", "403"}


class Bucket:
    """The objects under an address such as s3://bucket/prefix."""

    def __init__(self, address: str) -> None:
        self.address = address
        # An address with http:// comes from the operator: obstore need not be told once more.
        options = {"allow_http": True, "connect_timeout": timedelta(seconds=CONNECT_SECONDS)}
        brief = options | {"timeout": timedelta(seconds=BRIEF_SECONDS)}
        lasting = options | {"timeout": HOUR, "read_timeout": timedelta(seconds=SILENCE_SECONDS)}
        with self._reasons():
            self._asking = _store(address, brief, retries=2)
            self._brief = _store(address, brief, retries=0)
            self._lasting = _store(address, lasting, retries=2)

    def check(self) -> None:
        """Asks whether the bucket is there and may be listed."""
        with self._reasons():
            next(iter(self._asking.list("sha256")), None)

    def path(self, _digest: str) -> None:
        """No object lies on this machine."""
        return

    def has(self, digest: str) -> bool:
        """Whether the object is there."""
        return self._size(digest) is not None

    def put(self, file: Path, digest: str) -> None:
        """Makes an object of a whole file that has this digest.

        An object that is there is written again: it may be damaged, and one that was just written
        is not swept away. Its digest goes with each part, and the server checks it.
        """
        size = file.stat().st_size
        part = max(PART, ceil(size / MOST_PARTS))
        for attempt in range(1, PUT_ATTEMPTS + 1):
            try:
                with self._reasons():
                    self._lasting.put(_key(digest), file, chunk_size=part, max_concurrency=AT_ONCE)
                if self._size(digest) == size:
                    return
            except ObjectsUnavailable:
                if attempt == PUT_ATTEMPTS:
                    raise
            time.sleep(attempt)
        raise ObjectsUnavailable(self.address, "it does not keep all bytes of a file")

    def stream(self, digest: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of an object from `start` on, in pieces, as they come."""
        options: Any = {"range": {"offset": start}} if start else {}
        with self._reasons():
            for piece in self._lasting.get(_key(digest), options=options).stream(PIECE):
                yield bytes(piece)

    def digests(self, before: float, after: str = "") -> Iterator[str]:
        """Digests, in order, of the objects that were last written before then."""
        offset = _key(after) if after else None
        with self._reasons():
            for page in self._brief.list("sha256", offset=offset):
                for found in page:
                    if found["last_modified"].timestamp() < before:
                        yield found["path"].rpartition("/")[2]

    def discard(self, digest: str) -> None:
        """Removes an object that no row names any more."""
        with self._reasons():
            self._brief.delete(_key(digest))

    def _size(self, digest: str) -> int | None:
        with suppress(FileNotFoundError), self._reasons():
            return int(self._brief.head(_key(digest))["size"])
        return None

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """Tells in one line what obstore tells in twenty."""
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" not in str(error):
                raise FileNotFoundError(str(error).partition(":")[0]) from error
            raise ObjectsUnavailable(self.address, _reason(str(error))) from error
        except (BaseError, ValueError) as error:
            raise ObjectsUnavailable(self.address, _reason(str(error))) from error


def _store(address: str, options: dict[str, Any], retries: int) -> Any:
    patience = timedelta(seconds=SILENCE_SECONDS)
    retry: Any = {"max_retries": retries, "retry_timeout": patience}
    client: Any = options
    return from_url(address, client_options=client, retry_config=retry)


def _key(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _reason(told: str) -> str:
    """What is wrong and what to set, from the text of an error, without its URLs."""
    told = told.partition("Debug source")[0]
    code, status = CODE.search(told), STATUS.search(told)
    if any(each in told for each in NO_CREDENTIALS):
        return "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if code is not None and code[1] == "NoSuchBucket":
        return "there is no such bucket; make it, or set TRAIND_OBJECTS to another one"
    if status is not None and status[1] in REFUSED:
        why = code[1] if code else status[1]
        return (
            f"it refuses the credentials ({why}); see to AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
            "and what they may do"
        )
    if status is not None:
        return f"it answers {status[1]}{f' ({code[1]})' if code else ''}"
    last = " ".join(told.split()).rpartition(" - ")[2]
    return f"it does not answer ({last}); see to AWS_ENDPOINT_URL and AWS_REGION"
