"""What is asked for in a retry of a job."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from app.docstrings import describe


class Retry(BaseModel):
    """Where a retry begins, and what it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra=describe)

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
