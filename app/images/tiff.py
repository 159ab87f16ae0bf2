"""What of a TIFF is decoded, and what that needs beside its pixels; other formats need little."""

import struct
from math import ceil

from PIL.TiffImagePlugin import BITSPERSAMPLE, ROWSPERSTRIP, TILELENGTH, TILEWIDTH, TiffImageFile

from app.images import InvalidInput

COMPRESSIONS = {
    "raw",
    "packbits",
    "tiff_lzw",
    "tiff_deflate",
    "tiff_adobe_deflate",
    "jpeg",
}
"""Compressions that are decoded. The others are rare; some bring decoders without bounds, and those
of fax machines write a line for each damaged row of pixels to the log."""
LARGEST = 2**16
"""Above every side of a strip or tile, and every number of bits, that is taken."""
RGBA_BYTES = 4
"""libtiff decodes JPEG inside of a TIFF to RGBA."""


def check(image: TiffImageFile, content: bytes) -> None:
    """Refuses an opened TIFF that Pillow and libtiff may read differently, or cannot bound.

    A tag that is there twice counts by its last place for Pillow, and by its first for libtiff.

    Raises:
        InvalidInput: BigTIFF, a tag more than once, or a compression that is not taken.
    """
    compression = image.info.get("compression")
    if compression not in COMPRESSIONS:
        raise InvalidInput(f"is a TIFF with {compression} compression; save it with LZW or as PNG")
    order = "<" if content.startswith(b"II") else ">"
    version, offset = struct.unpack_from(f"{order}2xHI", content)
    if version != 42:
        raise InvalidInput("is a BigTIFF; save it as TIFF or PNG")
    (entries,) = struct.unpack_from(f"{order}H", content, offset)
    if entries != len(image.tag_v2):
        raise InvalidInput("is a TIFF with tags that are there twice or unknown; save it as PNG")
    buffer_bytes(image)


def buffer_bytes(image: TiffImageFile) -> int:
    """Bytes of the strip or tile that libtiff holds; a tile may be larger than the picture.

    Raises:
        InvalidInput: a size is no number that it could be.
    """
    tags = image.tag_v2
    longest = max(image.size)  # the sides are exchanged where the orientation says so
    width = tags.get(TILEWIDTH, longest)
    rows = tags.get(TILELENGTH, tags.get(ROWSPERSTRIP, longest))
    bits = tags.get(BITSPERSAMPLE, (1,))
    if TILELENGTH not in tags and isinstance(rows, int):
        rows = min(rows, longest)  # 2**32 - 1 is usual for a single strip
    numbers = (width, rows, *bits)
    if not all(isinstance(each, int) and 0 < each < LARGEST for each in numbers):
        raise InvalidInput("is a damaged TIFF image")
    return int(width * rows * max(RGBA_BYTES, ceil(sum(bits) / 8)))
