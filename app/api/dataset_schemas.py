"""What is asked for in a new dataset of one's own."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from app.jobspec import Text
from app.jobspec.import_options import ImportOptions, PartOptions
from app.jobspec.section import refusal
from app.store.dataset_refs import PREFIX


def _is_no_id(name: str) -> str:
    if name.startswith(PREFIX):
        raise PydanticCustomError("looks_like_id", "must not begin with ds_, as ids do")
    return name


class NewDataset(ImportOptions):
    """What is asked for: the name of a new dataset, and how its file is to be read."""

    name: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", examples=["my-cats"]),
        AfterValidator(_is_no_id),
    ]
    """What jobs call it: small letters, digits, `-`, `_` and `.`. Taken again it gets the next
    version."""
    kind: Literal["image", "table"] = "image"
    """What an example is: a picture, or a row of a table."""
    file_name: Annotated[str, Field(max_length=255), Text] = ""
    """What its owner calls the file; only shown."""

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        others = {"image": ("table",), "table": ("image", "file", "label", "base")}[self.kind]
        for name in others:
            if getattr(self, name) != type(self).model_fields[name].default:
                instead = "; name the class column in table.target" if name == "label" else ""
                raise refusal(name, f"is not for the kind {self.kind}; leave it out{instead}")
        return self

    @model_validator(mode="after")
    def _base_decides(self) -> Self:
        if self.base is None:
            return self
        decided = {
            "image.size": self.image.size is not None,
            "image.color": self.image.color != "auto",
            "parts": self.parts != PartOptions(),
            "deduplicate": self.deduplicate,
        }
        for pointer, is_sent in decided.items():
            if is_sent:
                raise refusal(pointer, "follows from the base; leave it out")
        return self
