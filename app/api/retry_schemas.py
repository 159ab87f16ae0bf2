"""A retry of a job: what is asked for, and the chain of a job and its retries."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from app.store import retries
from app.store.states import Status


class Retry(BaseModel):
    """Where a retry begins, and what it changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    begin: Literal["start", "checkpoint"] = "start"
    """`start`, or `checkpoint`: the newest checkpoint of the job that is retried, if it has one."""
    apply: Literal["suggestion"] | None = None
    """`suggestion`: with what its diagnosis suggests."""
    patch: dict[str, Any] | None = None
    """A change of your own: a JSON merge patch (RFC 7396) of the specification, after `apply`."""

    @model_validator(mode="after")
    def _a_checkpoint_is_of_the_same_spec(self) -> Self:
        if self.begin == "checkpoint" and (self.apply or self.patch is not None):
            message = "must be start where apply or patch change the specification"
            context = {"message": message, "field": "begin"}
            raise PydanticCustomError("does_not_fit", "{message}", context)
        return self


class ChainedJob(BaseModel):
    """A job of a chain: the first job, or one of its retries."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """Id of the job."""
    status: Status
    """Where it is in its life."""
    applied: dict[str, Any] | None
    """The merge patch that changed the specification of the job that it retries."""
    verdict: str
    """What its diagnosis found first; `unknown` or `off` where there is none."""
    validation_accuracy: float | None
    """Fraction of correct predictions on the validation images, 0 to 1."""
    test_accuracy: float | None
    """Fraction of its model's correct predictions on the test images, 0 to 1."""
    model: str | None
    """Id of its model."""
    is_best: bool
    """Whether its model is the best of the chain, by validation images where there are any."""


def chain_of(chain: Sequence[retries.ChainedJob]) -> list[ChainedJob]:
    """The chain as the API shows it; empty where a job is alone."""
    best = retries.best(chain)
    return [
        ChainedJob(
            id=each.id,
            status=each.status,
            applied=each.applied,
            verdict=each.verdict,
            validation_accuracy=each.metrics.get("validation_accuracy"),
            test_accuracy=each.metrics.get("test_accuracy"),
            model=each.model_id,
            is_best=each is best,
        )
        for each in chain
        if len(chain) > 1
    ]
