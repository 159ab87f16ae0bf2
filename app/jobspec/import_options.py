"""How the file of a dataset of one's own is read."""

from typing import Annotated, Literal

from pydantic import Field

from app.jobspec.section import Section, Text

Fit = Literal["crop", "pad", "stretch"]
"""How another aspect is met: what is beyond the middle is cut off, the ground fills what is
missing, or the picture is stretched."""
Side = Annotated[int, Field(ge=8, le=512)]
Column = Annotated[str, Field(min_length=1, max_length=200), Text]


class ImageOptions(Section):
    """What shape the pictures are brought to."""

    size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    """Side in pixels, or height and width; chosen from the pictures if it is missing, at most
    224."""
    fit: Fit = "crop"
    """How another aspect is met: what is beyond the middle is cut off, the ground fills what is
    missing, or the picture is stretched."""
    color: Literal["auto", "grey", "rgb"] = "auto"
    """Channels: one, three, or as the pictures have them."""
    ground: str = Field(default="#ffffff", pattern="^#[0-9a-fA-F]{6}$")
    """What shows through transparent pixels and around padded pictures, as #rrggbb."""


class PartOptions(Section):
    """How examples are set aside for the test, where the file does not say it."""

    test_fraction: float = Field(default=0.2, gt=0.0, le=0.5)
    """Fraction of the examples that test the model, the same of each class."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Number that the choice depends on."""
    group: Column | None = None
    """Column of the table beside the files whose equal values (patient, photographer) stay
    together in one part."""
    split: Column | None = None
    """Column that says train, validation or test; `split` is one without being named."""


class ImportOptions(Section):
    """How to read an uploaded file."""

    image: ImageOptions = ImageOptions()
    parts: PartOptions = PartOptions()
    deduplicate: bool = False
    """Whether pictures that are also in the test part, or twice in the training part, are left out
    of the training."""
    file: Column | None = None
    """Column of the table beside the files that names the file; found by its usual names."""
    label: Column | None = None
    """Column that names the class; found by its usual names."""
