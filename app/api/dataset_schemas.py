"""What the API takes and answers about datasets of one's own."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.api import dataset_examples as examples
from app.api.schemas import described, rfc3339
from app.jobspec import DatasetFacts, Text
from app.jobspec.import_options import ImportOptions, PartOptions
from app.jobspec.section import refusal
from app.store import datasets
from app.store.datasets import DatasetStatus


def _is_no_id(name: str) -> str:
    if name.startswith(datasets.PREFIX):
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


class Content(BaseModel):
    """The uploaded file."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    sha256: str
    """SHA-256 in hexadecimal."""
    bytes: int
    """Size in bytes."""


class ImportProgress(BaseModel):
    """How far an import is."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="ignore")

    done: int
    """How many are done."""
    total: int
    """How many there are; 0 until that is known."""
    what: str
    """What is counted."""


class Refusal(BaseModel):
    """Why a file cannot be used."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    code: str
    """The kind of refusal; codes never change."""
    message: str
    """What was found."""
    advice: str
    """What to change."""


class DatasetVersion(BaseModel):
    """A version of a dataset."""

    model_config = described(examples.DATASET)

    id: str
    """`ds_` and 26 characters; ids sort by the time of creation."""
    name: str
    """What jobs call it."""
    version: int
    """1 for the first of its name; numbers never come twice."""
    kind: str
    """What an example is."""
    status: DatasetStatus
    """Where it is on its way: jobs may train on it once it is `ready`."""
    created_at: str
    """When it was made (RFC 3339, UTC)."""
    submitted_by: str | None
    """Id of the API key that made it; null where none was asked for."""
    file_name: str
    """What its owner calls the file."""
    options: dict[str, Any]
    """How its file is read, defaults filled in."""
    content: Content | None
    """Its file, once that is whole."""
    progress: ImportProgress | None
    """How far its import is, while there is one."""
    facts: DatasetFacts | None
    """What jobs read of it, once it is ready: shape, classes, sizes of its parts."""
    refusal: Refusal | None
    """Why its file cannot be used; null unless it was refused."""

    @classmethod
    def of(cls, dataset: datasets.Dataset) -> Self:
        """The version as it is stored."""
        digest, size = dataset.content_sha256, dataset.content_bytes
        return cls(
            id=dataset.id,
            name=dataset.name,
            version=dataset.version,
            kind=dataset.kind,
            status=dataset.status,
            created_at=rfc3339(dataset.created_at),
            submitted_by=dataset.key_id,
            file_name=dataset.file_name,
            options=dataset.options,
            content=Content(sha256=digest, bytes=size) if digest else None,
            progress=ImportProgress(**dataset.progress) if dataset.progress else None,
            facts=datasets.facts_of(dataset) if dataset.facts else None,
            refusal=Refusal(**dataset.refusal) if dataset.refusal else None,
        )


class Received(BaseModel):
    """How much of a file has arrived."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    received: int
    """Bytes; the next part begins there."""
