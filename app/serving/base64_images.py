"""Images in a JSON text: base64, or a data URI (RFC 2397)."""

import base64
import binascii
import re
from urllib.parse import unquote

from PIL import Image

from app.images import InvalidInput
from app.images.files import FORMATS, MEDIA_TYPES, open_file

_DATA_URI = re.compile(r"data:(?P<kind>image/[\w.+-]+)?(?P<parameters>(;[^,;]*)*),", re.I)
_TAKEN = "send an image file in base64"


def open_base64(text: str) -> Image.Image:
    """An image file in base64, as open_file; a data URI (RFC 2397) before it names its format.

    Raises:
        InvalidInput: not base64, or not an image that can be used.
    """
    formats: tuple[str, ...] = FORMATS
    if declared := _DATA_URI.match(text):
        if kind := declared["kind"]:
            known = MEDIA_TYPES.get(kind.lower())
            if known is None:
                kinds = ", ".join(FORMATS)
                raise InvalidInput(f"is an {kind} by its data URI; send one of {kinds} in base64")
            formats = (known,)
        if not declared["parameters"].lower().endswith(";base64"):
            raise InvalidInput(f"is a data URI without ;base64; {_TAKEN}")
        text = unquote(text[declared.end() :])
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("a text must be an image file in base64") from error
    return open_file(content, formats)
