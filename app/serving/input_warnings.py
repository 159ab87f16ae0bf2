"""Warnings about inputs that can be read but hardly are what the model was trained for."""

import msgspec

from app.codes import InputDoubt


class InputWarning(msgspec.Struct, frozen=True):
    """A doubt about one input: a stable code, and the fact with what to do."""

    code: InputDoubt
    detail: str


BLANK_PICTURE = InputWarning(
    "blank", "nothing is drawn on the image, so every class was given the same probability"
)
BLANK_PIXELS = InputWarning("blank", "all pixels are equal: the prediction means nothing")
FAINT = InputWarning(
    "faint", "the drawing is hardly darker or brighter than its ground; send more contrast"
)
SEVERAL_OBJECTS = InputWarning(
    "several_objects",
    "several strokes of similar size stand apart, and were read as one; send one digit an image",
)
DARK_FRAME = InputWarning(
    "dark_frame", "a dark frame or table around the sheet was cut off before the digit was read"
)
UNIT_RANGE = InputWarning(
    "pixel_range",
    "no pixel is above 1, which is nearly black to this model; if they run from 0 to 1, "
    "say so with pixel_range: 0,1",
)
