"""Every format that is taken gives the same pixels; what costs more than it shows is refused."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.images import InvalidInput
from app.images.files import (
    FORMATS,
    MAX_DECODED_BYTES,
    MEDIA_TYPES,
    ORIENTATION,
    decoded,
    draft,
    open_file,
)
from app.images.preparation import Preparation

SHAPE = (3, 20, 24)
NOISE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
LOSSLESS: dict[str, Any] = {"WEBP": {"lossless": True}}
TILE_WIDTH, TILE_LENGTH = 322, 323
DIRECTORY_HEAD = 8
"""Bytes of a TIFF before its first directory."""


def file(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **(LOSSLESS.get(kind, {}) | options))
    return buffer.getvalue()


def prepared(content: bytes) -> NDArray[np.uint8]:
    return Preparation().prepare(open_file(content), SHAPE)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in {"JPEG", "GIF"}])
def test_lossless_formats_give_the_same_pixels(kind: str) -> None:
    assert np.array_equal(prepared(file(Image.fromarray(NOISE), kind)), NOISE.transpose(2, 0, 1))


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate"])
def test_common_compressions_of_tiff_are_taken(compression: str) -> None:
    content = file(Image.fromarray(NOISE), "TIFF", compression=compression)
    assert np.array_equal(prepared(content), NOISE.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_pictures_the_first_counts(kind: str) -> None:
    red, blue = (Image.new("RGB", (24, 20), colour) for colour in ("red", "blue"))
    content = file(red, kind, save_all=True, append_images=[blue, red])
    assert (prepared(content) == np.array([255, 0, 0])[:, None, None]).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_transparency_shows_the_ground_in_every_format(kind: str) -> None:
    clear = Image.new("RGBA", (24, 20), (9, 9, 9, 0))
    pixels = Preparation("crop", (1, 2, 3)).prepare(open_file(file(clear, kind)), SHAPE)
    assert (pixels == np.array([1, 2, 3])[:, None, None]).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "PNG"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_is_applied_once_in_every_format(kind: str, orientation: int) -> None:
    halves = Image.new("RGB", (20, 20), "white")
    halves.paste("black", (0, 0, 20, 10))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    pixels = np.asarray(decoded(open_file(file(halves, kind, exif=exif))).convert("L"))
    black = pixels[-5] if orientation == 3 else pixels[:, -5]  # was above
    white = pixels[5] if orientation == 3 else pixels[:, 5]
    assert (black.max(), white.min()) == (0, 255)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_greys_of_16_bits_keep_their_brightness_in_either_order(order: str) -> None:
    deep = Image.frombytes(
        "I;16" if order == "<u2" else "I;16B", (24, 20), (NOISE[..., 0] * 257.0).astype(order)
    )
    pixels = np.asarray(decoded(open_file(file(deep, "TIFF"))))
    np.testing.assert_allclose(pixels, NOISE[..., 0], atol=0.01)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_numbers_of_an_unknown_range_are_refused(mode: str) -> None:
    with pytest.raises(InvalidInput, match=f"pixels of the kind {mode}"):
        open_file(file(Image.new(mode, (24, 20)), "TIFF"))


@pytest.mark.parametrize("compression", ["zstd", "lzma", "group4"])
def test_rare_compressions_of_tiff_reach_no_decoder(compression: str) -> None:
    image = Image.fromarray(NOISE).convert("1")
    with pytest.raises(InvalidInput, match=f"TIFF with {compression} compression"):
        open_file(file(image, "TIFF", compression=compression))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_must_be_of_the_format_that_it_is_sent_as(kind: str) -> None:
    content = file(Image.fromarray(NOISE), kind)
    assert MEDIA_TYPES[f"image/{kind.lower()}"] == kind
    assert open_file(content, (kind,)).size == (24, 20)
    others = tuple(other for other in FORMATS if other != kind)
    with pytest.raises(InvalidInput, match="is not a "):
        open_file(content, others)


def test_a_large_jpeg_gives_the_same_pixels_whether_its_memory_was_asked_for_or_not() -> None:
    photo = Image.fromarray(NOISE).resize((4000, 3000), Image.Resampling.BICUBIC)
    content = file(photo, "JPEG")
    asked = open_file(content)
    draft(asked)
    assert max(asked.size) == 2000
    assert np.array_equal(Preparation().prepare(asked, SHAPE), prepared(content))


def directory(entries: int, size: int) -> bytes:
    """A directory whose entries all name the first `size` bytes."""
    rows = b"".join(struct.pack("<HHII", 1000 + tag, 7, size, 0) for tag in range(entries))
    head = b"II*\0" + struct.pack("<IH", DIRECTORY_HEAD, entries)
    return head + rows + bytes(4)


BOMB = directory(2000, 20_000)
"""24 KB that become 40 MB when they are read."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_directory_that_names_its_bytes_many_times_is_refused(kind: str) -> None:
    content = BOMB
    if kind != "TIFF":
        content = file(Image.fromarray(NOISE), kind, exif=b"Exif\0\0" + BOMB)
    with pytest.raises(InvalidInput, match="2048 KiB of metadata"):
        prepared(content)


def test_a_gif_with_endless_comments_is_refused_soon() -> None:
    content = file(Image.fromarray(NOISE).convert("P"), "GIF")
    start = 13 + 3 * 256  # behind the colours
    few, many = (b"!\xfe" + b"\x01a" * count + b"\0" for count in (1000, 8_000_000))
    open_file(content[:start] + few + content[start:]).load()
    with pytest.raises(InvalidInput, match="64 KiB of comments"):
        open_file(content[:start] + many + content[start:])


def test_what_is_behind_the_head_of_a_gif_is_read_whole() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 400), np.uint8)
    content = file(Image.fromarray(noise), "GIF")
    assert len(content) > 2 * 2**16
    assert np.array_equal(np.asarray(decoded(open_file(content))), noise)


def test_a_jpeg_with_a_component_without_samples_is_refused() -> None:
    content = bytearray(file(Image.fromarray(NOISE), "JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 11] = 0  # the sampling of the first component, behind sizes and its number
    with pytest.raises(InvalidInput, match="is a damaged JPEG"):
        draft(open_file(bytes(content)))


def tiled(side: int, *others: tuple[int, int], bits: int = 8) -> bytes:
    """A grey TIFF of 64 x 64 pixels in one tile of this side, with more tags behind its own."""
    tile = zlib.compress(bytes(side * side))
    tags = [(256, 64), (257, 64), (258, bits), (259, 8), (262, 1), (277, 1)]
    tags += [(TILE_WIDTH, side), (TILE_LENGTH, side), *others]
    count = len(tags) + 2
    behind = DIRECTORY_HEAD + 2 + 12 * count + 4
    tags += [(324, behind), (325, len(tile))]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", DIRECTORY_HEAD, count) + rows + bytes(4) + tile


def test_a_tile_larger_than_its_picture_is_counted() -> None:
    assert draft(open_file(tiled(64))) == 64 * 64 * (1 + 4)
    assert draft(open_file(tiled(1024))) == 64 * 64 + 1024 * 1024 * 4
    with pytest.raises(InvalidInput, match="takes 1024 MiB to decode"):
        draft(open_file(tiled(16_384)))


def test_a_tag_that_is_there_twice_hides_no_larger_tile() -> None:
    with pytest.raises(InvalidInput, match="tags that are there twice"):
        open_file(tiled(16_384, (TILE_WIDTH, 64), (TILE_LENGTH, 64)))


def test_sides_of_a_tile_that_cannot_be_are_refused() -> None:
    for side in (0, 2**32 - 1):
        good, wrong = (struct.pack("<HHII", TILE_WIDTH, 4, 1, number) for number in (64, side))
        content = tiled(64).replace(good, wrong)
        with pytest.raises(InvalidInput, match="is a damaged"):
            open_file(content)


def test_bigtiff_is_refused() -> None:
    with pytest.raises(InvalidInput, match="BigTIFF"):
        open_file(file(Image.fromarray(NOISE), "TIFF", big_tiff=True))


def test_webp_counts_the_frames_of_its_decoder() -> None:
    size = draft(open_file(file(Image.new("RGB", (100, 100)), "WEBP")))
    assert size == 17 * 100 * 100  # measured: 16.6 to 17.0 bytes a pixel
    assert draft(open_file(file(Image.new("RGB", (4000, 3000)), "WEBP"))) < MAX_DECODED_BYTES
