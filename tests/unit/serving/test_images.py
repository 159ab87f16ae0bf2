"""Images become the model's pixels: grey, its size, its range; anything else is refused."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from app.images import InvalidInput, files
from app.images.files import (
    FORMATS,
    MAX_DECODED_BYTES,
    MAX_SIDE,
    ORIENTATION,
    UPRIGHT,
    check_sizes,
    decoded,
    draft,
    open_file,
)
from app.serving.base64_images import open_base64
from app.serving.image_inputs import Preprocess, from_image
from app.serving.pixel_arrays import from_bytes, from_numbers
from app.serving.signature import Pixels, Signature, check_range
from tests.strokes import drawn

MNIST = Signature((1, 28, 28), (0.0, 255.0), list("0123456789"))
DIGITS = Signature((1, 8, 8), (0.0, 16.0), list("0123456789"))
RAMP = np.linspace(0, 255, 784).round().astype(np.uint8).reshape(28, 28)


def from_file(content: bytes, signature: Signature) -> Pixels:
    return from_image(open_file(content), signature).pixels


def from_base64(text: str, signature: Signature) -> Pixels:
    return from_image(open_base64(text), signature).pixels


def file(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_a_grey_image_of_the_right_size_is_taken_as_it_is() -> None:
    pixels = from_file(file(Image.fromarray(RAMP)), MNIST)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, RAMP[None])


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_keeps_its_brightness(mode: str) -> None:
    white = Image.new("L", (28, 28), 255)
    if mode == "I;16":
        white = Image.fromarray(np.full((28, 28), 65535, np.uint16))
    else:
        white = white.convert(mode)
    np.testing.assert_allclose(from_file(file(white), DIGITS), 16.0, atol=0.01)


def test_sixteen_bit_greys_keep_their_order() -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    np.testing.assert_allclose(from_file(file(deep), MNIST), RAMP[None], atol=0.01)


def test_a_larger_image_is_averaged_to_the_size_of_the_model() -> None:
    chequered = np.indices((280, 280)).sum(axis=0) % 2 * 255
    pixels = from_file(file(Image.fromarray(chequered.astype(np.uint8))), MNIST)
    assert pixels.shape == (1, 28, 28)
    assert 120 < pixels.min() <= pixels.max() < 135


def test_numbers_are_taken_in_the_range_of_the_model() -> None:
    np.testing.assert_array_equal(from_numbers([[0.0] * 8] * 7 + [[16.0] * 8], DIGITS)[0, 7], 16.0)
    for wrong in (-0.01, 16.01, 1e300, float("inf"), float("nan")):
        with pytest.raises(InvalidInput, match="from 0 to 16"):
            from_numbers([wrong] + [0.0] * 63, DIGITS)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    body = kind + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that announces, and holds, a huge image."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(bytes(1_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8193, 1), (1, 8193), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _image: pytest.fail("was decoded"))
    with pytest.raises(InvalidInput):
        from_file(bomb(*size), MNIST)


def test_a_text_that_inflates_to_gigabytes_is_refused() -> None:
    whole = file(Image.fromarray(RAMP))
    text = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(20_000_000), 9))
    with pytest.raises(InvalidInput, match="damaged"):
        from_file(whole[:-12] + text + whole[-12:], MNIST)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_damaged_file_raises_anything_but_invalid_input(kind: str) -> None:
    whole = file(Image.fromarray(RAMP), kind)
    random = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 6)):
            damaged[place] = random.integers(0, 256)
        content = bytes(damaged[: random.integers(1, len(whole) + 1)])
        try:
            pixels = from_file(content, MNIST)
        except InvalidInput:
            continue
        assert pixels.shape == (1, 28, 28)


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "JPEG2000", "PCX"])
def test_other_formats_reach_no_decoder(kind: str) -> None:
    with pytest.raises(InvalidInput, match="is not a PNG, JPEG, WEBP, GIF, BMP or TIFF image"):
        from_file(file(Image.fromarray(RAMP), kind), MNIST)


def test_a_data_url_must_hold_what_it_says() -> None:
    encoded = base64.b64encode(file(Image.fromarray(RAMP))).decode()
    for beginning in ("image/png;base64", "image/png;charset=utf-8;base64", ";base64"):
        pixels = from_base64(f"data:{beginning},{encoded}", MNIST)
        np.testing.assert_array_equal(pixels[0], RAMP)
    with pytest.raises(InvalidInput, match="is not a JPEG image"):
        from_base64(f"data:image/jpeg;base64,{encoded}", MNIST)
    with pytest.raises(InvalidInput, match=r"image/svg\+xml .* send one of PNG, JPEG"):
        from_base64(f"data:image/svg+xml;base64,{encoded}", MNIST)
    jpeg = base64.b64encode(file(Image.fromarray(RAMP), "JPEG")).decode()
    for beginning in ("image/jpg;base64", "IMAGE/JPG;charset=UTF-8;base64", "image/jpeg;base64"):
        assert from_base64(f"data:{beginning},{jpeg}", MNIST).shape == (1, 28, 28)


def test_images_that_are_too_many_pixels_together_are_refused() -> None:
    large = open_file(file(Image.new("L", (MAX_SIDE, MAX_SIDE))))
    check_sizes([large])
    with pytest.raises(InvalidInput, match="together"):
        check_sizes([large, open_file(file(Image.fromarray(RAMP)))])


def test_raw_bytes_are_images_one_after_another() -> None:
    pixels = from_bytes(RAMP.tobytes() + bytes(784), MNIST)
    assert pixels.dtype == np.uint8  # until the batch is made
    np.testing.assert_array_equal(pixels, np.stack([RAMP[None], np.zeros((1, 28, 28))]))
    for wrong in (b"", bytes(783), bytes(785)):
        with pytest.raises(InvalidInput, match="784 for each image"):
            from_bytes(wrong, MNIST)
    with pytest.raises(InvalidInput, match="from 0 to 16"):
        from_bytes(bytes(63) + b"\x11", DIGITS)


def test_pixels_of_a_declared_range_are_brought_to_that_of_the_model() -> None:
    fractions = (RAMP / 255).tolist()
    np.testing.assert_allclose(from_numbers(fractions, MNIST, (0, 1)), RAMP[None], atol=1e-4)
    np.testing.assert_allclose(from_bytes(bytes([255]) * 64, DIGITS, (0, 255)), 16.0)
    np.testing.assert_allclose(from_numbers([-1.0] * 32 + [1.0] * 32, DIGITS, (-1, 1))[0, 0], 0.0)
    with pytest.raises(InvalidInput, match="from 0 to 1"):
        from_numbers([1.5] * 784, MNIST, (0, 1))


@pytest.mark.parametrize(
    "given", [(1, 1), (1, 0), (0, 1e-300), (-1e308, 1e308), (0, 1e300), (0, float("nan"))]
)
def test_a_range_from_which_no_pixel_can_be_scaled_is_refused(given: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="pixel_range must run"):
        check_range(given)


def test_the_widest_and_the_narrowest_range_give_finite_pixels() -> None:
    for low, high in ((-1e12, 1e12), (0, 1e-6), (5, 5 + 2e-6)):
        pixels = from_numbers([low] * 32 + [high] * 32, DIGITS, check_range((low, high)))
        assert (pixels.min(), pixels.max()) == (0, pytest.approx(16))


PREPROCESS: tuple[Preprocess, ...] = ("mnist", "none")


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_photo_is_turned_upright_on_every_path(
    kind: str, orientation: int, preprocess: Preprocess
) -> None:
    upright = drawn(7, np.random.default_rng(1), side=112).convert("L")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    # What is stored is what the orientation turns upright: each turn undone.
    undone = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = upright
    if orientation in UPRIGHT:
        stored = upright.transpose(undone.get(orientation, UPRIGHT[orientation]))
    expected = from_image(open_file(file(upright, kind)), MNIST, preprocess).pixels
    buffer = io.BytesIO()
    stored.save(buffer, kind, exif=exif)
    pixels = from_image(open_file(buffer.getvalue()), MNIST, preprocess).pixels
    # A JPEG's blocks, and strokes that touch a threshold, differ a little once turned.
    assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("preprocess", PREPROCESS)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_the_ground_on_every_path(mode: str, preprocess: Preprocess) -> None:
    for grey, ground in ((0, 255), (255, 0)):  # black ink, white ink; either unseen if flattened
        digit = drawn(3, np.random.default_rng(1), ink=(255,) * 3, ground=(0,) * 3).convert("L")
        clear = Image.new("L", digit.size, grey)
        clear.putalpha(digit)
        if mode == "P":
            clear = clear.convert("RGBA").quantize(16, Image.Quantize.FASTOCTREE)
        else:
            clear = clear.convert(mode)
        shown = Image.composite(
            Image.new("L", digit.size, grey), Image.new("L", digit.size, ground), digit
        )
        expected = from_image(open_file(file(shown)), MNIST, preprocess).pixels
        pixels = from_image(open_file(file(clear)), MNIST, preprocess).pixels
        assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [(4608, 2592), (8192, 6144)])
def test_photos_of_phones_are_taken(size: tuple[int, int]) -> None:
    photo = drawn(4, np.random.default_rng(1), side=400).resize(size, Image.Resampling.NEAREST)
    image = open_file(file(photo, "JPEG"))
    check_sizes([image])
    assert draft(image) < MAX_DECODED_BYTES
    made = from_image(image, MNIST, "mnist").pixels
    small = drawn(4, np.random.default_rng(1), side=400).resize((size[0] // 16, size[1] // 16))
    expected = from_image(open_file(file(small)), MNIST, "mnist").pixels
    assert np.corrcoef(made.ravel(), expected.ravel())[0, 1] > 0.97


def test_a_large_photo_is_drafted_and_no_image_takes_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jpeg = open_file(file(Image.new("RGB", (3200, 2400)), "JPEG"))
    draft(jpeg)
    assert max(jpeg.size) <= 1600
    assert draft(open_file(bomb(MAX_SIDE, MAX_SIDE))) <= MAX_DECODED_BYTES
    small = open_file(file(Image.new("RGB", (100, 100)), "JPEG"))
    size = draft(small)
    monkeypatch.setattr(files, "MAX_DECODED_BYTES", size - 1)
    with pytest.raises(InvalidInput, match="MiB to decode"):
        draft(small)


def test_a_large_image_is_averaged_before_it_is_converted() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (2000, 60, 3), np.uint8)
    image = decoded(open_file(file(Image.fromarray(noise))))
    assert image.size == (30, 1000)
    means = noise.reshape(1000, 2, 30, 2, 3).mean((1, 3))
    np.testing.assert_allclose(np.asarray(image), means, atol=1)
