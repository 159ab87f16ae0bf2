"""What every section of a spec has in common: how it is checked, and how it is read back."""

from collections.abc import Mapping
from typing import Any, Self, cast, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from app.docstrings import describe


class Section(BaseModel):
    """A section of a spec: immutable, strict about types, closed to unknown fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        json_schema_extra=describe,
    )

    @classmethod
    def stored(cls, fields: Mapping[str, Any]) -> Self:
        """A section from its stored JSON, as it was accepted: nothing is validated again.

        Every stored section can be read, also one that today's limits would refuse. A field that
        it lacks, because it was added later, takes its default; a field that is gone is dropped.
        """
        known = cls.model_fields.items()
        held = {
            name: _read(fields[name], about.annotation) for name, about in known if name in fields
        }
        return cast(Self, cls.model_construct(**held))


def _read(value: Any, annotation: Any) -> Any:
    """A JSON value as a field of this type holds it."""
    for kind in (annotation, *get_args(annotation)):  # a section that may be null is a union
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Section):
            return kind.stored(value)
        if isinstance(value, list) and get_origin(kind) is tuple:
            return tuple(value)
    return value


def _without_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot store it
        raise PydanticCustomError("nul_character", "must not contain the NUL character")
    return text


Text = AfterValidator(_without_nul)


def refusal(field: str, message: str) -> PydanticCustomError:
    """Refuses a whole spec because of one field, given by its dotted path."""
    context = {"message": message, "field": field}
    return PydanticCustomError("does_not_fit", "{message}", context)


def refuse_unless(applies: bool, value: Any, reason: str) -> None:
    """Refuses an option that was given where it has no effect.

    Raises:
        PydanticCustomError: the option was given and does not apply; `reason` says to what it does.
    """
    if value and not applies:
        raise PydanticCustomError(
            "option_without_effect", "{reason}; leave it out", {"reason": reason}
        )
