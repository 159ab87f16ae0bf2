"""Pictures as a person has them at hand."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from traind import inputs

SHAPE = (3, 4, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_a_phone_is_sent_upright_as_its_file_would_be_read(
    orientation: int, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file, exif=exif)
    with Image.open(file) as image:
        ((sent,),) = inputs.parts(image, SHAPE)
    with Image.open(BytesIO(b64decode(sent))) as found:
        assert found.getexif().get(0x0112, 1) == 1
        upright = np.asarray(found)
    turned = {1: pixels, 3: pixels[::-1, ::-1], 6: np.rot90(pixels, -1), 8: np.rot90(pixels)}
    if orientation in turned:
        assert (upright == turned[orientation]).all()
    else:
        assert upright.shape == (pixels if orientation < 5 else np.rot90(pixels)).shape
