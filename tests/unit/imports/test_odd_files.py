"""Pictures, arrays and Parquet of unusual forms: read as they are meant, or refused in words."""

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.images import InvalidInput
from app.images.files import open_file
from tests.unit.imports.pictures import (
    Files,
    encoded,
    here,
    loaded,
    of_classes,
    picture,
    refused,
    zipped,
)
from worker.imports import preparing
from worker.imports.pictures import chosen

PETS = of_classes("cat", "dog")


def frames() -> bytes:
    """An animated GIF whose first frame is red."""
    file = io.BytesIO()
    red, blue = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    red.save(file, "GIF", save_all=True, append_images=[blue])
    return file.getvalue()


ODD: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "animated.gif": (frames(), (255, 0, 0)),
    "16-bit.png": (
        encoded(Image.fromarray(np.full((16, 16), 51 * 257, np.uint16))),
        (51, 51, 51),
    ),
    "one-bit.png": (encoded(Image.new("1", (16, 16), 1)), (255, 255, 255)),
    "cmyk.jpg": (encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "palette.png": (encoded(Image.new("RGB", (16, 16), (0, 128, 0)).quantize()), (0, 128, 0)),
    "clear.png": (encoded(Image.new("RGBA", (16, 16), (9, 9, 9, 0))), (255, 255, 255)),
    "clear.webp": (encoded(Image.new("RGBA", (16, 16), (9, 9, 9, 0)), "WEBP"), (255, 255, 255)),
    "long.png": (encoded(Image.new("RGB", (8192, 1), (7, 8, 9))), (7, 8, 9)),
    "high.png": (encoded(Image.new("RGB", (1, 8192), (7, 8, 9))), (7, 8, 9)),
    "tiny.bmp": (encoded(Image.new("RGB", (1, 1), (70, 80, 90)), "BMP"), (70, 80, 90)),
    "deflated.tif": (
        encoded(Image.new("RGB", (16, 16), (1, 2, 3)), "TIFF", compression="tiff_deflate"),
        (1, 2, 3),
    ),
}


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_odd_pictures_are_read_as_they_are_meant(tmp_path: Path, fit: str) -> None:
    files = {f"{number % 2}/{name}": each[0] for number, (name, each) in enumerate(ODD.items())}
    image = {"size": 8, "fit": fit, "color": "rgb"}
    done = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds", image=image)
    assert done.report["left_out"]["count"] == 0
    made = loaded(tmp_path / "ds")
    middles = {
        tuple(map(int, pixel))
        for each in [*made.train_images, *made.test_images]
        for pixel in each[:, 3:5, 3:5].reshape(3, -1).T
    }
    wanted = {each[1] for each in ODD.values()}
    for colour in wanted:
        near = [other for other in middles if max(map(abs, np.subtract(other, colour))) <= 2]
        assert near, (colour, middles)


def test_decoders_that_nobody_needs_are_out_of_reach(tmp_path: Path) -> None:
    others: Files = {
        "cat/a.ppm": encoded(picture(1, 1), "PPM"),
        "cat/a.ico": encoded(picture(1, 1), "ICO"),
        "cat/a.pcx": encoded(picture(1, 1), "PCX"),
        "cat/a.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n",
    }
    report = here(zipped(tmp_path / "a.zip", PETS | others), tmp_path / "ds").report
    assert {each["name"] for each in report["left_out"]["files"]} == set(others)
    for content in others.values():
        with pytest.raises(InvalidInput):
            open_file(content)


def test_pictures_are_grey_if_all_their_pixels_are(tmp_path: Path) -> None:
    """Whatever the files call themselves: then every container gives the same arrays."""
    grey = {name: Image.open(io.BytesIO(each)).convert("L") for name, each in PETS.items()}
    as_colour = {name: encoded(image.convert("RGB")) for name, image in grey.items()}
    as_grey = {name: encoded(image) for name, image in grey.items()}
    np.savez(
        tmp_path / "a.npz",
        images=np.stack([np.asarray(each.convert("RGB")) for each in grey.values()]),
        labels=[name[:3] for name in grey],
    )
    zipped(tmp_path / "a.zip", as_colour)
    zipped(tmp_path / "b.zip", as_grey)
    facts = [here(tmp_path / name, tmp_path / "ds").facts for name in ("a.npz", "a.zip", "b.zip")]
    assert facts[0]["input_shape"] == (1, 16, 16)
    assert facts[0] == facts[1] == facts[2]
    one = PETS | {name: as_grey[name] for name in list(as_grey)[1:]}
    assert here(zipped(tmp_path / "c.zip", one), tmp_path / "ds").facts["input_shape"][0] == 3


@pytest.mark.parametrize(
    ("median", "side"),
    [(1, 8), (8, 8), (28, 28), (30, 32), (32, 32), (45, 44), (64, 64), (100, 96), (300, 224)],
)
def test_a_side_is_chosen_near_the_median(median: int, side: int) -> None:
    assert chosen(median) == side


def test_a_picture_of_a_request_too_large_for_the_memory_waits_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "IN_FLIGHT_BYTES", 1)
    assert here(zipped(tmp_path / "a.zip", PETS), tmp_path / "ds").report["images"] == 20


def arrays(**others: Any) -> dict[str, Any]:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (20, 9, 12, 3), np.uint8)
    return {"images": images, "labels": np.arange(20) % 2} | others


IMAGES = arrays()["images"]
FORMS = {
    "as it is": {},
    "fortran": {"images": np.asfortranarray(IMAGES)},
    "channels first": {"images": np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))},
    "column": {"labels": (np.arange(20) % 2)[:, None]},
    "bytes": {"labels": np.array([b"0", b"1"] * 10)},
    "text": {"labels": np.array(["0", "1"] * 10)},
    "big-endian": {"labels": (np.arange(20) % 2).astype(">i8")},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_npz_that_mean_the_same(tmp_path: Path, form: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays())
    np.savez_compressed(tmp_path / "b.npz", **arrays(**FORMS[form]))
    facts = [here(tmp_path / f"{each}.npz", tmp_path / each).facts for each in "ab"]
    assert facts[0] == facts[1]


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"images": IMAGES / 255}, "unfit_arrays"),
        ({"images": IMAGES[:, :, 0, 0]}, "unfit_arrays"),
        ({"images": IMAGES[..., :2]}, "unfit_arrays"),
        ({"images": IMAGES[:5]}, "unfit_arrays"),
        ({"images": IMAGES[:0]}, "unfit_arrays"),
        ({"images": np.uint8(1)}, "unfit_arrays"),
        ({"labels": np.eye(2)[np.arange(20) % 2]}, "unfit_arrays"),
        ({"labels": np.arange(20) / 3}, "unfit_arrays"),
        ({"labels": np.array(["a", 1, None, b""] * 5, object)}, "unfit_arrays"),
    ],
    ids=["fractions", "flat", "two channels", "few", "none", "single", "one-hot", "real", "object"],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, others: dict[str, Any], code: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays(**others))
    assert refused(tmp_path / "a.npz", tmp_path / "ds").code == code


@pytest.mark.parametrize(
    ("others", "advice"),
    [
        ({"images": IMAGES / 255}, r"by \(x \* 255\)\.astype\('uint8'\)\.$"),
        ({"images": IMAGES // 128 == 1}, r"by \(x \* 255\)\.astype\('uint8'\)\.$"),
        ({"images": IMAGES.astype(np.int64)}, r"whole numbers.*save x\.astype\('uint8'\)\.$"),
        ({"images": IMAGES.astype(np.float32)}, r"whole numbers.*save x\.astype\('uint8'\)\.$"),
        ({"images": IMAGES * 0.5}, r"save x\.round\(\)\.astype\('uint8'\)\.$"),
        ({"images": IMAGES.astype(int) - 128}, r"run from -128 to 127: bring them to 0 to 255"),
        (
            {"images": IMAGES * np.float32("nan")},
            r"each: whole numbers or texts\. These hold NaN, ",
        ),
        ({"images": IMAGES.astype(complex)}, r"whole numbers or texts\.$"),
        ({"images": IMAGES[..., :2]}, r"whole numbers or texts\.$"),
        ({"images": IMAGES.astype(object)}, r"np\.stack\(x\)\.astype\('uint8'\)"),
        ({"labels": np.array(["a", None] * 10, object)}, r"y\.astype\(str\)"),
    ],
)
def test_the_advice_for_an_array_follows_from_its_values(
    tmp_path: Path, others: dict[str, Any], advice: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays(**others))
    refusal = refused(tmp_path / "a.npz", tmp_path / "ds")
    assert refusal.code == "unfit_arrays"
    assert re.search(advice, refusal.advice), refusal.advice
    if next(iter(others.values())).dtype == object:
        assert f"{next(iter(others))}.npy holds Python objects (dtype object)" in refusal.message


def test_an_npz_of_other_arrays_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3), bias=np.zeros(1))
    refusal = refused(tmp_path / "a.npz", tmp_path / "ds")
    assert refusal.code == "no_arrays"
    assert "bias, weights" in refusal.message


def test_a_zip_in_place_of_an_array_is_refused(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "b.zip", PETS).read_bytes()
    zipped(tmp_path / "a.npz", {"images.npy": inner, "labels.npy": inner})
    assert refused(tmp_path / "a.npz", tmp_path / "ds").code == "damaged_file"


def idx(*shape: int, magic: int | None = None, short: int = 0) -> bytes:
    head = struct.pack(f">I{len(shape)}I", magic or 0x0800 + len(shape), *shape)
    return head + bytes(int(np.prod(shape)) - short)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (idx(20, 8, 8, short=1), idx(20)),
        (idx(20, 8, 8, magic=0x0D03), idx(20)),
        (idx(20, 8, 8), idx(19)),
        (idx(0, 8, 8), idx(0)),
        (struct.pack(">IIII", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1), idx(20)),
        (b"\0\0", idx(20)),
        (idx(20, 8, 8), b""),
        (idx(20), idx(20)),
    ],
)
def test_odd_idx_files_are_refused(tmp_path: Path, images: bytes, labels: bytes) -> None:
    names = "train-images.idx3-ubyte", "train-labels.idx1-ubyte"
    source = zipped(tmp_path / "a.zip", dict(zip(names, (images, labels), strict=True)))
    assert refused(source, tmp_path / "ds").code in {"damaged_file", "unfit_arrays"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"few.csv": b"a,b\n1,2\n"}, "a table (few.csv)"),
        ({"rows/a.jsonl": b"{}", "rows/b.jsonl": b"{}"}, "a table (rows/a.jsonl)"),
        ({"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "a workbook of Excel"),
    ],
)
def test_a_table_that_is_packed_is_told_to_be_sent_itself(
    tmp_path: Path, files: Files, says: str
) -> None:
    refusal = refused(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    assert refusal.code == "unknown_format"
    assert says in refusal.message
    assert '"kind": "table"' in refusal.advice
