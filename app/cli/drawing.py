"""Draws an image file in the terminal: two rows of pixels to a line."""

import io
import warnings

from PIL import Image, ImageOps
from rich.console import Console
from rich.style import Style
from rich.text import Text

SIDE = 32
"""Longest side of a drawing, in pixels; larger images are scaled down."""
SMALLEST = 16
"""Images with shorter sides are drawn with larger pixels."""
SHADES = " ░▒▓█"
UPPER_HALF = "▀"


def drawing(content: bytes, console: Console) -> Text | None:
    """The image in colours, or in shades where the terminal shows none.

    None where it cannot be decoded here, or the terminal's encoding has no blocks.
    """
    if not console.encoding.startswith("utf"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a huge image is no picture to draw
            image = _prepared(content)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None
    has_colours = console.color_system is not None and not console.no_color
    return _in_colours(image) if has_colours else _in_shades(image)


def _prepared(content: bytes) -> Image.Image:
    """The image upright and in RGB, on black, of at most SIDE pixels a side and an even height."""
    with Image.open(io.BytesIO(content)) as opened:
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        image = ImageOps.exif_transpose(opened).convert("RGBA")
    image.thumbnail((SIDE, SIDE))
    if max(image.size) < SMALLEST:
        factor = SIDE // 2 // max(image.size)
        size = (image.width * factor, image.height * factor)
        image = image.resize(size, Image.Resampling.NEAREST)
    canvas = Image.new("RGBA", (image.width, image.height + image.height % 2), "black")
    canvas.alpha_composite(image)
    return canvas.convert("RGB")


def _in_colours(image: Image.Image) -> Text:
    text = Text(no_wrap=True)
    for y in range(0, image.height, 2):
        for x in range(image.width):
            upper, lower = (_hex(image.getpixel((x, row))) for row in (y, y + 1))
            text.append(UPPER_HALF, Style(color=upper, bgcolor=lower))
        text.append("\n")
    return text


def _in_shades(image: Image.Image) -> Text:
    grey = image.convert("L").resize((image.width, image.height // 2), Image.Resampling.BOX)
    levels = [round(value / 255 * (len(SHADES) - 1)) for value in grey.tobytes()]
    lines = [levels[start : start + grey.width] for start in range(0, len(levels), grey.width)]
    return Text("".join("".join(SHADES[each] for each in line) + "\n" for line in lines))


def _hex(colour: object) -> str:
    if not isinstance(colour, tuple):
        raise TypeError(f"{colour!r} is no colour of an RGB image")
    return "#{:02x}{:02x}{:02x}".format(*colour)
