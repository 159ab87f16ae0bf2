"""Clients that submit jobs all the time, and count what they are told."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import httpx

CLIENTS = 2
PAUSE_SECONDS = 1.5
"""Between two jobs of a client, so that the workers keep up."""


class Submitting:
    """Submits while the block runs. Each job is asked for, by its key, until it is acknowledged."""

    def __init__(self, url: str, spec: dict[str, Any], within: float) -> None:
        """An answer that takes longer than `within` seconds is a fault."""
        self._url, self._spec, self._within = url, spec, within
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._submit, args=(n,)) for n in range(CLIENTS)]
        self._answers: Counter[int] = Counter()
        self._slowest = 0.0
        self._wrong: list[str] = []
        self.acknowledged: list[str] = []
        """Ids of the jobs."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        assert not self._wrong, self._wrong

    def __str__(self) -> str:
        answers = ", ".join(
            f"{count} times {code}" for code, count in sorted(self._answers.items())
        )
        return f"{len(self.acknowledged)} jobs, {answers}, slowest answer {self._slowest:.1f} s"

    def _submit(self, number: int) -> None:
        try:
            with httpx.Client(base_url=self._url, timeout=self._within) as http:
                for count in range(10**9):
                    if self._done.wait(PAUSE_SECONDS):
                        return
                    self._ask(http, f"{number}-{count}-{time.time_ns()}")
        except Exception as error:  # told in the main thread
            self._wrong.append(repr(error))

    def _ask(self, http: httpx.Client, key: str) -> None:
        while True:
            began = time.monotonic()
            answer = http.post("/jobs", json=self._spec, headers={"Idempotency-Key": key})
            self._slowest = max(self._slowest, time.monotonic() - began)
            self._answers[answer.status_code] += 1
            if answer.status_code in {200, 201}:
                self.acknowledged.append(answer.json()["id"])
                return
            if answer.status_code != 503:
                raise AssertionError(answer.text)
            time.sleep(0.2)
