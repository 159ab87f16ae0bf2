"""Images in a JSON text: base64, or a data URI (RFC 2397)."""

import base64
import binascii
import re
from urllib.parse import unquote

from PIL import Image

from app.images import InvalidInput
from app.images.files import FORMATS, open_file

_DATA_URI = re.compile(r"data:(?:image/(?P<kind>[\w.+-]+))?(?P<parameters>(;[^,;]*)*),", re.I)
_KINDS = {"png": "PNG", "x-png": "PNG", "jpeg": "JPEG", "jpg": "JPEG", "pjpeg": "JPEG"}


def open_base64(text: str) -> Image.Image:
    """A PNG or JPEG in base64, as open_file; a data URI (RFC 2397) before it names its format.

    Raises:
        InvalidInput: not base64, or not an image that can be used.
    """
    formats: tuple[str, ...] = FORMATS
    if declared := _DATA_URI.match(text):
        kind = declared["kind"]
        if kind is not None and kind.lower() not in _KINDS:
            raise InvalidInput(f"is an image/{kind} by its data URI; send a PNG or JPEG in base64")
        if not declared["parameters"].lower().endswith(";base64"):
            raise InvalidInput("is a data URI without ;base64; send a PNG or JPEG in base64")
        formats = (_KINDS[kind.lower()],) if kind else FORMATS
        text = unquote(text[declared.end() :])
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("a text must be a PNG or JPEG image in base64") from error
    return open_file(content, formats)
