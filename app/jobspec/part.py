"""What every part of a spec has in common."""

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """A part of a spec: immutable, strict about types, closed to unknown fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )


def _without_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot store it
        raise PydanticCustomError("nul_character", "must not contain the NUL character")
    return text


Text = AfterValidator(_without_nul)


def refuse_unless(applies: bool, value: Any, message: str) -> None:
    """Refuses an option that was given where it has no effect, instead of ignoring it.

    Raises:
        PydanticCustomError: it was given.
    """
    if value and not applies:
        raise PydanticCustomError("option_without_effect", "{message}", {"message": message})
