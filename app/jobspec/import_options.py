"""How the file of a dataset of one's own is read."""

from typing import Annotated, Literal

from pydantic import Field

from app.codes import Fit
from app.jobspec.section import Section, Text

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


class TableOptions(Section):
    """How the columns of a table are read."""

    target: Column | None = None
    """Column of the classes; found by its usual names (`target`, `label`, `class`) if missing."""
    columns: dict[Column, Literal["number", "date", "category", "ignore"]] = Field(
        default={}, max_length=1000
    )
    """What columns hold, where that is not what is found in them."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """What stands between the values of CSV; found in its first line if missing."""
    encoding: Literal["utf-8", "utf-16", "cp1252"] | None = None
    """How CSV is encoded; found in its bytes if missing."""
    header: bool | None = None
    """Whether the first line of CSV names the columns; if missing, it does unless one of its values
    is a number. Without a header they are `column_1`, `column_2` and so on."""


class PartOptions(Section):
    """How examples are set aside for the test, where the file does not say it."""

    test_fraction: float = Field(default=0.2, gt=0.0, le=0.5)
    """Fraction of the examples that test the model, the same of each class."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Number that the choice depends on."""
    group: Column | None = None
    """Column of the table, or of that beside the pictures, whose equal values (patient,
    photographer) stay together in one part."""
    split: Column | None = None
    """Column that says train, validation or test; `split` is one without being named."""


class ImportOptions(Section):
    """How to read an uploaded file."""

    image: ImageOptions = ImageOptions()
    table: TableOptions = TableOptions()
    parts: PartOptions = PartOptions()
    deduplicate: bool = False
    """Whether examples that are also in the test part, or twice in the training part, are left out
    of the training."""
    file: Column | None = None
    """For pictures: column of the table beside them that names the file; found by its usual
    names."""
    label: Column | None = None
    """For pictures: column that names the class; found by its usual names."""
    base: Annotated[str, Field(min_length=1, max_length=80), Text] | None = None
    """For pictures: a dataset, such as `mnist` or `my-cats@2`, to whose training part these are
    added. Size, colour, classes and the other parts are those of the base, so that models of both
    can be compared."""
