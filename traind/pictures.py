"""Pictures that are no files yet, as files that the service reads alike."""

import io
from typing import Any

from traind.errors import BadInput

SENT_AS = {
    "1": "1",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "P",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "I;16": "I;16",
    "I;16B": "I;16B",
}
"""The mode in which a PNG holds the pixels of each of Pillow's modes: those of `MODES` in
app/images/files.py, and others that lose nothing. The rest have numbers in any range, or Lab, or
are greys of 16 bits that Pillow itself cannot convert."""


def content(given: Any) -> bytes | None:
    """The file of a picture: of bytes, a PIL image or an open file; None of anything else.

    Raises:
        BadInput: the service takes no files of this kind, or the open file gives no bytes.
        OSError: the open file cannot be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        if not bytes(given):
            raise BadInput(
                "A picture of 0 bytes is none. What is read from an open file that stands at its "
                "end is empty: rewind it first, by seek(0)."
            )
        return bytes(given)
    if hasattr(given, "convert") and hasattr(given, "save"):  # an image of PIL
        return _as_png(given)
    if callable(getattr(given, "read", None)):
        return _rest(given)
    return None


def _as_png(image: Any) -> bytes:
    """A PIL image turned upright, as the API turns files: a PNG does not say how it was held."""
    from PIL import ImageOps  # noqa: PLC0415 (only for those who have such images)

    if image.mode not in SENT_AS:
        raise BadInput(
            f"The image has pixels of the kind {image.mode}; save it in grey or RGB: a brightness "
            "of 0 to 255, or of 0 to 65535 in the mode I;16."
        )
    if not all(image.size):
        raise BadInput(f"The image has no pixels: its size is {image.width} x {image.height}.")
    file = io.BytesIO()
    image = ImageOps.exif_transpose(image)
    mode = SENT_AS[image.mode]
    kept = image if image.mode == mode else image.convert(mode)
    kept.save(file, "PNG")
    return file.getvalue()


def _rest(opened: Any) -> bytes:
    """What an open file holds from where it stands."""
    if getattr(opened, "closed", False) is True:
        raise BadInput("A file that is closed gives no picture: open it again, or give its path.")
    try:
        found = opened.read()
    except UnicodeDecodeError:  # it is opened as text, and the bytes of a picture are none
        found = ""
    if not isinstance(found, bytes | bytearray | memoryview):
        raise BadInput(
            f"An open file that gives {type(found).__name__} is no picture: open it with the mode "
            "'rb', or give its path."
        )
    if not bytes(found):
        raise BadInput(_why_empty(opened))
    return bytes(found)


def _why_empty(opened: Any) -> str:
    """Why an open file gives nothing: mostly it was written or read before, and not rewound."""
    try:
        at = opened.tell()
    except (AttributeError, OSError):  # a pipe, which stands nowhere
        return "The open file gives no bytes: it is empty, or was read to its end."
    if not at:
        return "The open file is empty."
    return f"The open file stands at its end, behind {at} bytes: rewind it, by seek(0)."
