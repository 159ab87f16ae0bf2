"""Bounds what Pillow reads of the parts of a file that say things about the picture.

Pillow copies each value of a TIFF or EXIF directory, and 65,535 entries may name the same bytes: a
TIFF of 240 KB took 3.8 GB. It joins the comments of a GIF block by block, which takes time by the
square of their length: 16 MB would take minutes, with the interpreter's lock held.
"""

from typing import IO, Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from app.images import InvalidInput

MAX_DIRECTORY_BYTES = 2 * 2**20
"""Most bytes of a TIFF or EXIF directory with its values. Camera files have up to 100 KB."""


class Metered:
    """A file that refuses to be read beyond `most` bytes, until `release` is called."""

    def __init__(self, file: IO[bytes], most: int, what: str) -> None:
        self._file = file
        self._left: float = most
        self._refusal = f"has more than {most // 2**10} KiB of {what}"

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            InvalidInput: they are more than may be read.
        """
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise InvalidInput(self._refusal)
        return content

    def release(self) -> None:
        """The rest may be read without a bound."""
        self._left = float("inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


_load = ImageFileDirectory_v2.load


def _load_bounded(directory: ImageFileDirectory_v2, fp: IO[bytes]) -> None:
    metered: Any = Metered(fp, MAX_DIRECTORY_BYTES, "metadata; save it without")
    _load(directory, metered)


# Every directory is read here, also those of EXIF blocks that Pillow opens by itself.
ImageFileDirectory_v2.load = _load_bounded  # type: ignore[assignment, method-assign]
