"""What each kind of dataset calls its examples, and what its owner can do about them."""

from typing import NamedTuple


class Words(NamedTuple):
    """The words of one kind of dataset."""

    examples: str
    entries: str
    """What the file is made of; not every entry is an example."""
    readable: str
    """What entries must be."""
    labelled: str
    """How an example gets its class."""
    nothing: tuple[str, str, str]
    """Code, message and advice where a file has no example."""


PICTURES = Words(
    "pictures",
    "files",
    "Most files must be PNG, JPEG, WebP, GIF, BMP or TIFF, in a folder for each class.",
    "Put the pictures of each class into a folder of their own.",
    (
        "no_pictures",
        "There is no picture in it that names its class.",
        "Put the pictures of each class into a folder of their own (cats/1.png, dogs/2.png), or "
        "pack a metadata.csv with the columns file_name and label beside them.",
    ),
)
ROWS = Words(
    "rows",
    "rows",
    "Save it as CSV in UTF-8 with a header, or as Parquet.",
    "Each row names its class, in the column that table.target names.",
    ("no_rows", "The table has no rows.", "Send a table with a header and rows."),
)
