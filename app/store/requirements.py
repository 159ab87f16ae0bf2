"""What a job requires of its worker, and whether a worker has it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, Self


class Offer(Protocol):
    """What a worker offers to jobs."""

    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def threads(self) -> int: ...
    @property
    def memory_mb(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def engine(self) -> str: ...


@dataclass(frozen=True)
class Requirements:
    """What a job requires; the default is what every worker has."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Each must be a label of the worker, with this value."""
    threads: int = 1
    """Processors that the worker may use, at least."""
    memory_mb: int = 0
    """Memory, in MB, that the worker gives each run, at least."""
    device: str = "cpu"
    """`cuda`, or `cpu`, which every worker has."""
    several: bool = False
    """Whether its run has several processes, which Ray starts."""

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> Self:
        """What a stored specification requires. A field that it lacks has its default."""
        resources = spec.get("resources", {})
        return cls(
            labels=spec.get("requires", {}),
            threads=resources.get("threads", 1),
            memory_mb=resources.get("memory_mb") or 0,
            device="cuda" if resources.get("device") == "cuda" else "cpu",
            several=resources.get("workers", 1) > 1,
        )

    @property
    def text(self) -> str:
        """JSON of the requirements that differ from the defaults; equal ones give equal text."""
        given = {
            name: value for name, value in vars(self).items() if value != getattr(_NOTHING, name)
        }
        return json.dumps(given, sort_keys=True, separators=(",", ":"))

    def unmet(self, offer: Offer) -> list[str]:
        """What a worker lacks for the job, in words; empty if it can run it."""
        lacking = [
            f"{key}={value}"
            for key, value in sorted(self.labels.items())
            if offer.labels.get(key) != value
        ]
        if offer.threads < self.threads:
            lacking.append(f"{self.threads} threads")
        if offer.memory_mb < self.memory_mb:
            lacking.append(f"{self.memory_mb} MB of memory for a run")
        if self.device == "cuda" and offer.device != "cuda":
            lacking.append("a GPU")
        if self.several and offer.engine != "ray":
            lacking.append("a Ray cluster (resources.workers)")
        return lacking


_NOTHING = Requirements()


@lru_cache(maxsize=1024)
def from_text(text: str) -> Requirements:
    """The requirements that have this text."""
    return Requirements(**json.loads(text))
