"""Image files: checked by their header, then decoded within a stated memory.

Pillow's reduction and conversions work on the whole image. Here large images are averaged down band
by band, so that beside the decoded image only a small copy is made.
"""

import io
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from app.images import InvalidInput, tiff
from app.images.metered import Metered

Colour = tuple[int, int, int]
"""Red, green and blue, from 0 to 255."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Decoders that a client can reach. Of several pictures in a file, the first counts."""
MEDIA_TYPES = {
    **{f"image/{name.lower()}": name for name in FORMATS},
    "image/jpg": "JPEG",
    "image/pjpeg": "JPEG",
    "image/x-png": "PNG",
    "image/x-ms-bmp": "BMP",
}
"""Format of each media type: those of the formats, and wrong ones that are common."""
MAX_SIDE = 8192
"""Largest width and height of an image file, in pixels, known before it is decoded."""
MAX_PIXELS = 2**26
"""Most pixels of all image files of a request together: one image of the largest sides."""
MAX_DECODED_BYTES = 256 * 2**20
"""Most memory that decoding one image may take: RGB of the largest sides takes exactly this."""
REDUCED_SIDE = 1600
"""Longest side, in pixels, of an image after it was decoded; larger ones are averaged down."""
BAND_PIXELS = 2**19
"""Pixels that are converted and averaged at a time."""

MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}
"""Bytes that Pillow keeps for a pixel, by its mode; 4 in all others."""
FORMAT_BYTES = {"WEBP": 13, "BMP": 3}
"""Bytes more for a pixel while it is decoded: libwebp keeps two frames and copies one, and a
compressed BMP is decoded to bytes first."""
GIF_HEAD_BYTES = 2**16
"""Most bytes of a GIF before its first picture: colours, comments."""
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B"}
"""Pillow's modes whose values are known to run from black to white. A TIFF may hold numbers of 32
bits in any range, or Lab."""
COEFFICIENT_BYTES = 2
"""Bytes of a sample's coefficient. Of a JPEG in several scans, libjpeg keeps all coefficients."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of each EXIF orientation upright."""
ORIENTATION = 0x0112


def open_file(content: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """An image whose header has been read, but no pixel yet.

    Raises:
        InvalidInput: empty, of another format, or too large.
    """
    kinds = _listed(formats)
    if not content:
        raise InvalidInput(f"is empty; expected a {kinds} image")
    try:
        image = _opened(content, formats)
    except InvalidInput:
        raise
    except UnidentifiedImageError as error:
        raise InvalidInput(f"is not a {kinds} image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidInput(
            f"has more pixels than the {MAX_SIDE} x {MAX_SIDE} that are taken"
        ) from error
    except Exception as error:
        raise InvalidInput(f"is a damaged {kinds} image") from error
    if max(image.size) > MAX_SIDE:
        raise InvalidInput(
            f"has {image.width} x {image.height} pixels; at most {MAX_SIDE} x {MAX_SIDE} are taken"
        )
    if image.mode not in MODES:
        raise InvalidInput(f"has pixels of the kind {image.mode}; save it in grey or RGB")
    return image


def check_sizes(images: Sequence[Image.Image]) -> None:
    """Refuses images that are too many pixels together, before any is decoded.

    Raises:
        InvalidInput: they are.
    """
    pixels = sum(image.width * image.height for image in images)
    if pixels > MAX_PIXELS:
        raise InvalidInput(
            f"the images have {pixels} pixels together; at most {MAX_PIXELS} are taken"
        )


def draft(image: Image.Image) -> int:
    """Has a large JPEG decoded at a part of its size, and returns the bytes that decoding takes.

    Raises:
        InvalidInput: more than MAX_DECODED_BYTES.
    """
    samples = _samples(image) if image.format in {"JPEG", "MPO"} else 0
    if max(image.size) > REDUCED_SIDE:
        image.draft(None, (REDUCED_SIDE // 2, REDUCED_SIDE // 2))
    pixels = image.width * image.height
    pixel_bytes = MODE_BYTES.get(image.mode, 4) + FORMAT_BYTES.get(image.format or "", 0)
    size = pixels * pixel_bytes + samples * COEFFICIENT_BYTES
    if isinstance(image, TiffImageFile):
        size += tiff.buffer_bytes(image)
    if size > MAX_DECODED_BYTES:
        raise InvalidInput(
            f"takes {size // 2**20} MiB to decode; at most {MAX_DECODED_BYTES // 2**20} are given; "
            "send it smaller"
        )
    return size


def decoded(image: Image.Image, ground: Colour | None = None) -> Image.Image:
    """The whole image: upright, at most REDUCED_SIDE a side, in mode L, RGB, or F from 0 to 255.

    Mode F is for greys of 16 bits. What is transparent shows the ground; without one, the opposite
    of what is drawn. A large JPEG is drafted, so that it gives the same pixels to all who ask.

    Raises:
        InvalidInput: corrupt or cut off.
    """
    draft(image)  # changes nothing where it was called before
    try:
        image.load()
        orientation = image.getexif().get(ORIENTATION)
    except InvalidInput:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error...
        raise InvalidInput(f"is a damaged or cut off {image.format} image") from error
    image = _averaged(image, _simple_mode(image))
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    if image.mode != "RGBA":
        return image
    return _on_ground(image, ground or _opposite(image))


def _listed(formats: tuple[str, ...]) -> str:
    """Names for a sentence: PNG, JPEG or GIF."""
    *others, last = formats
    return f"{', '.join(others)} or {last}" if others else last


def _opened(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    file = io.BytesIO(content)
    if content.startswith(b"GIF"):
        metered: Any = Metered(file, GIF_HEAD_BYTES, "comments; save it without")
        image = Image.open(metered, formats=formats)
        metered.release()
        return image
    image = Image.open(file, formats=formats)
    if isinstance(image, TiffImageFile):
        tiff.check(image, content)
    return image


def _samples(image: Image.Image) -> int:
    """How many samples a JPEG has in all its components, which may have fewer than pixels.

    Raises:
        InvalidInput: a component has none.
    """
    sampling: list[tuple[int, int]] = [
        (across, down) for _, across, down, _ in getattr(image, "layer", [])
    ]
    if not sampling:
        return 0
    if not all(across and down for across, down in sampling):
        raise InvalidInput("is a damaged JPEG image")
    most = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return image.width * image.height * sum(across * down for across, down in sampling) // most


def _simple_mode(image: Image.Image) -> str:
    """The mode in which pixels can be averaged."""
    if image.mode.startswith("I"):  # a PNG's greys may have 16 bits
        return "F"
    if image.has_transparency_data:
        return "RGBA"
    return "L" if image.mode in {"1", "L"} else "RGB"


def _averaged(image: Image.Image, mode: str) -> Image.Image:
    """The image in this mode, by a whole factor smaller where a side is above REDUCED_SIDE."""
    factor = ceil(max(image.size) / REDUCED_SIDE)
    size = ceil(image.width / factor), ceil(image.height / factor)
    averaged = Image.new(mode, size)
    rows = factor * max(1, BAND_PIXELS // (image.width * factor))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        averaged.paste(_converted(band, mode).reduce(factor), (0, top // factor))
    return averaged


def _converted(band: Image.Image, mode: str) -> Image.Image:
    if mode != "F":
        return band.convert(mode)
    return band.convert("F").point(lambda grey: grey / 257)  # 65535 becomes 255


def _opposite(image: Image.Image) -> Colour:
    """Black if what is drawn is nearer to white, or else white."""
    grey, alpha = np.asarray(image.convert("L"), np.float32), np.asarray(image.getchannel("A"))
    drawn = (grey * alpha).sum() / max(1.0, float(alpha.sum()))
    return (0, 0, 0) if drawn > 127 else (255, 255, 255)


def _on_ground(image: Image.Image, colour: Colour) -> Image.Image:
    """An RGBA image in RGB."""
    ground = Image.new("RGBA", image.size, (*colour, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
