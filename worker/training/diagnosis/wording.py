"""The words of findings. Rules speak of images and pixels; of a table these are rows and values."""

import re

ROWS = {"image": "row", "images": "rows", "pixel": "value", "pixels": "values"}
_WORD = re.compile(rf"\b({'|'.join(ROWS)})\b", re.IGNORECASE)


def of_rows(text: str) -> str:
    """The same of a table's rows."""
    return _WORD.sub(_row, text)


def _row(found: re.Match[str]) -> str:
    word = ROWS[found[0].lower()]
    return word.capitalize() if found[0][0].isupper() else word
