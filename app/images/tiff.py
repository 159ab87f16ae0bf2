"""What a TIFF needs beside its pixels while it is decoded; other formats need little."""

from math import ceil

from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    ROWSPERSTRIP,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

from app.images import InvalidInput

COMPRESSIONS = {
    "raw",
    "packbits",
    "tiff_lzw",
    "tiff_deflate",
    "tiff_adobe_deflate",
    "jpeg",
    "tiff_ccitt",
    "group3",
    "group4",
}
"""Compressions that are decoded. The others are rare, and some bring decoders without bounds."""
RGBA_BYTES = 4
"""libtiff decodes JPEG inside of a TIFF to RGBA."""


def check_compression(image: Image.Image) -> None:
    """Refuses a TIFF of a compression that is not taken.

    Raises:
        InvalidInput: it has one.
    """
    compression = image.info.get("compression")
    if isinstance(image, TiffImageFile) and compression not in COMPRESSIONS:
        raise InvalidInput(f"is a TIFF with {compression} compression; save it with LZW or as PNG")


def buffer_bytes(image: Image.Image) -> int:
    """Bytes of the strip or tile that libtiff holds; a tile may be larger than the picture."""
    if not isinstance(image, TiffImageFile):
        return 0
    tags = image.tag_v2
    longest = max(image.size)  # the sides are exchanged where the orientation says so
    width = tags.get(TILEWIDTH, longest)
    rows = tags.get(TILELENGTH) or min(tags.get(ROWSPERSTRIP, longest), longest)
    sample_bytes = ceil(sum(tags.get(BITSPERSAMPLE, (1,))) / 8)
    return int(width * rows * max(RGBA_BYTES, sample_bytes))
