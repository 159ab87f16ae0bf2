"""What the Python client sends of pictures that are no files: the service sees the same pixels."""

import io
import os
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.images import InvalidInput, files
from traind.errors import BadInput
from traind.inputs import parts

SHAPE = (1, 8, 8)
LOSSLESS = {"HSV", "La", "RGBX", "RGBa"}
"""Modes that no file has, and that others hold without a loss."""


def picture(mode: str) -> Image.Image:
    """Pixels of every brightness, half of them half transparent where the mode can be."""
    grey = np.arange(0, 256, dtype=np.uint8).reshape(16, 16)
    match mode:
        case "I;16B":
            return Image.frombytes(mode, (16, 16), (grey.astype(">u2") * 257).tobytes())
        case "I;16":
            return Image.fromarray(grey.astype("<u2") * 257)
        case "PA" | "La" | "LA" | "RGBA" | "RGBa":
            made = Image.fromarray(grey).convert({"PA": "P", "La": "L", "LA": "L"}.get(mode, "RGB"))
            made.putalpha(Image.fromarray(np.where(grey % 2, 128, 255).astype(np.uint8)))
            assert len(made.getchannel("A").getcolors() or []) == 2
            return made.convert(mode)
        case "RGB" | "HSV" | "YCbCr" | "RGBX" | "CMYK":
            return Image.fromarray(np.stack([grey, grey[::-1], grey.T], axis=-1)).convert(mode)
    return Image.fromarray(grey).convert(mode)


def sent(given: object) -> bytes:
    """The file that a request holds."""
    [[encoded]] = parts(given, SHAPE)
    return b64decode(encoded)


def seen(content: bytes) -> np.ndarray:
    """The pixels that the service makes of a file, on a ground that no picture has."""
    return np.asarray(files.decoded(files.open_file(content), (255, 0, 0)).convert("RGB"), np.int16)


@pytest.mark.parametrize("mode", sorted(files.MODES | LOSSLESS))
def test_an_image_of_pil_is_seen_as_its_file_is(mode: str) -> None:
    """Converted to RGB at once, greys of 16 bits were all white and transparent pixels opaque."""
    image = picture(mode)
    file = io.BytesIO()
    no_file = {"La": "LA", "RGBa": "RGBA", "HSV": "RGB", "YCbCr": "RGB"}
    (image.convert(no_file[mode]) if mode in no_file else image).save(file, "TIFF")
    np.testing.assert_array_equal(seen(sent(image)), seen(file.getvalue()))


@pytest.mark.parametrize("mode", sorted(set(Image.MODES) - files.MODES - LOSSLESS))
def test_pixels_of_other_kinds_are_refused_as_their_file_is(mode: str) -> None:
    """Converted to RGB, their values were cut off at 255."""
    image = Image.new(mode, (16, 16))
    words = f"has pixels of the kind {mode}; save it in grey or RGB"
    with pytest.raises(BadInput, match=words):
        sent(image)
    if mode.startswith("I;"):  # no file has these
        return
    file = io.BytesIO()
    image.save(file, "TIFF")
    with pytest.raises(InvalidInput, match=words):
        files.open_file(file.getvalue())


def test_bytes_come_in_any_form(tmp_path: Path) -> None:
    content = b"\x89PNG\r\n\x1a\n"
    expected = [[b64encode(content).decode()]]
    (tmp_path / "a").write_bytes(content)
    for given in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
        assert list(parts(given, SHAPE)) == expected
    with (tmp_path / "a").open("rb") as opened:
        assert list(parts([opened], SHAPE)) == expected


def test_a_file_that_is_opened_as_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'rb'"):
        sent(io.StringIO("text"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with (
        (tmp_path / "a.png").open(encoding="utf-8") as opened,
        pytest.raises(BadInput, match="that gives str is no picture: open it with the mode 'rb'"),
    ):
        sent(opened)


def test_an_open_file_at_its_end_is_told_to_be_rewound(tmp_path: Path) -> None:
    """As a buffer stands after `image.save(buffer)`."""
    written, path = io.BytesIO(), tmp_path / "a.png"
    picture = Image.new("L", (2, 2))
    picture.save(written, "PNG")
    path.write_bytes(written.getvalue())
    size = len(written.getvalue())
    with path.open("rb") as opened:
        opened.seek(0, io.SEEK_END)
        for given in (written, opened, [written]):
            with pytest.raises(BadInput, match=rf"at its end, behind {size} bytes.* seek\(0\)"):
                sent(given)
            with pytest.raises(BadInput, match=r"0 bytes is none.*seek\(0\)"):
                sent(opened.read())
        opened.seek(0)
        written.seek(0)
        assert sent(written) == sent(opened) == path.read_bytes()


def test_an_open_file_that_holds_nothing_is_told_so() -> None:
    with pytest.raises(BadInput, match="The open file is empty"):
        sent(io.BytesIO())
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(BadInput, match="or was read to its end"):
        sent(pipe)


def test_what_holds_no_picture_is_refused() -> None:
    closed = io.BytesIO(b"\x89PNG")
    closed.close()
    with pytest.raises(BadInput, match="closed"):
        sent(closed)
    with pytest.raises(BadInput, match="no pixels: its size is 0 x 7"):
        sent(Image.new("L", (0, 7)))
