"""What the service does with a run: its resources, its follow-up jobs, and range tests."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app import worker_labels
from app.jobspec.section import Section


def _key(key: str) -> str:
    if not worker_labels.is_key(key):
        raise PydanticCustomError("worker_label", f"a key must be {worker_labels.RULE}")
    return key


def _value(value: str) -> str:
    if not worker_labels.is_value(value):
        raise PydanticCustomError("worker_label", f"must be {worker_labels.RULE}")
    return value


Labels = dict[Annotated[str, AfterValidator(_key)], Annotated[str, AfterValidator(_value)]]
"""Labels of a worker."""


class Resources(Section):
    """What the run may use."""

    threads: int = Field(default=1, ge=1, le=64)
    """CPU threads; the same number gives the same weights, bit for bit. Only a worker that may use
    so many takes the job."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the arithmetic runs; `auto` takes a GPU where there is one, `cuda` waits for a worker
    that has one."""
    memory_mb: int | None = Field(default=None, ge=16, le=2**30)
    """Memory, in MB, that the run needs beyond what every run starts with: only a worker that gives
    each run so much takes the job."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Data-parallel processes, each with `threads` and, where there is one, a GPU of its own: more
    than 1 where the service runs on Ray. Each takes an equal share of every mini-batch; batch size
    and learning rate are those of one worker."""


class Autopilot(Section):
    """Lets the service follow its own suggestions."""

    max_jobs: int = Field(ge=1, le=20)
    """Most jobs to train, this one included, until one is healthy."""


class RateRange(Section):
    """A learning-rate range test (Smith 2017): the rate grows by a factor each mini-batch."""

    lowest: float = Field(default=1e-6, ge=1e-12, le=1000.0)
    """Rate of the first mini-batch."""
    highest: float = Field(default=10.0, ge=1e-12, le=1000.0)
    """Rate of the last one; the test ends before it where the loss explodes."""
    batches: int = Field(default=200, ge=20, le=2000)
    """Mini-batches of the whole test; several times as many small ones where a class is rare."""

    @field_validator("highest")
    @classmethod
    def _rises(cls, highest: float, info: ValidationInfo) -> float:
        if highest <= info.data.get("lowest", 0.0):
            raise PydanticCustomError("does_not_rise", "must be above lowest")
        return highest
