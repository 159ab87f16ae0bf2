"""What is said of a blank picture of a digit is also what is answered."""

import numpy as np

from app.api.inference_files import with_blanks
from app.serving.input_warnings import BLANK_PICTURE, BLANK_PIXELS, FAINT


def test_every_class_is_as_probable_where_nothing_is_drawn() -> None:
    batch = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], np.float32)
    shown = with_blanks(batch[1:], {0: [FAINT, BLANK_PICTURE], 1: [BLANK_PIXELS]})
    np.testing.assert_array_equal(shown, np.array([[0.5, 0.5], [0.7, 0.3]], np.float32))
    assert batch[1, 0] == np.float32(0.8)  # others may still read the batch
    assert with_blanks(batch, {}) is batch
