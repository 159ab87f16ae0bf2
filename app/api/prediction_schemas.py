"""What /predict takes and answers, for its documentation and for the query."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.answers import examples
from app.answers.predictions import Predictions
from app.api.predict_body import MAX_INPUTS
from app.api.predict_json import MAX_CLASSES
from app.api.problem_kinds import documented
from app.docstrings import describe
from app.images import InvalidInput
from app.images.files import FORMATS
from app.jobspec import Text
from app.serving.batching import NotFinite, Overloaded
from app.serving.image_inputs import Preprocess
from app.serving.signature import Range, check_range
from app.store.aliases import LATEST
from app.store.errors import ModelNotFound

RAW = "application/octet-stream"
IMAGES = tuple(f"image/{name.lower()}" for name in FORMATS)
"""Media types of the image files that may be a body."""


class Asked(BaseModel):
    """The query; a JSON body may say the same, and counts more."""

    model_config = ConfigDict(frozen=True, json_schema_extra=describe)

    model: Annotated[str, Field(min_length=1, max_length=64), Text] | None = None
    """Id or alias of the model; production if that is set, or else latest."""
    top_k: Annotated[int, Field(ge=1, le=MAX_CLASSES)] | None = None
    """How many of the most probable classes to list in `top`."""
    preprocess: Preprocess = "auto"
    """`mnist` brings an image file to the model's input the way MNIST was made (grey, inverted
    where the ground is light, cropped, centred); `none` only makes it grey and scales it; `auto` is
    `mnist` for models of digits, and leaves alone what looks like their training images. A model
    of your own pictures takes `auto` alone: it prepares an image file as the import of its dataset
    did (its `preparation`)."""
    pixel_range: (
        Annotated[
            Range,
            BeforeValidator(lambda text: text.split(",") if isinstance(text, str) else text),
            AfterValidator(check_range),
        ]
        | None
    ) = None
    """Darkest and brightest value of the pixels sent as numbers or bytes, such as `0,1`; the
    model's own `pixel_range` if left out."""


_BINARY = {"type": "string", "format": "binary"}
_PIXELS: dict[str, Any] = {
    "description": "One input or a list of them. An input is a list of pixels ([C][H][W], [H][W] "
    "for one channel, [H][W][C] for several, or all in a row), or an image file in base64 "
    "(PNG, JPEG, WebP, GIF, BMP, TIFF). For a model of a table it is a row: an object of values by "
    'column. Numbers may be texts ("41"), dates are ISO 8601. Null, "" and columns that are left '
    "out count as missing; that is warned of, unless training rows lacked the value too. A "
    "category that was not trained on is taken with a warning. A column that the model does not "
    "look at, the predicted one too, is ignored with a warning. A value that its column cannot "
    "take, and a list of values in the place of an object, are refused, and so are other bodies "
    "than JSON, `preprocess` and `pixel_range`. GET /models/{ref} lists the columns.",
    "oneOf": [
        {"type": "array", "items": {}, "maxItems": MAX_INPUTS},
        {"type": "string"},
        {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        },
    ],
}
_FIELDS = Asked.model_json_schema()["properties"]
_FIELDS["pixel_range"] |= {"default": None}
_JSON_BODY = {
    "schema": {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {"inputs": _PIXELS, **_FIELDS},
    },
    "examples": {
        "image": {
            "summary": "A PNG in base64",
            "value": {"inputs": [examples.PNG_BASE64], "top_k": 3},
        },
        "row": {
            "summary": "A row of a table",
            "value": {"inputs": [{"age": 41, "job": "nurse"}]},
        },
        "pixels": {"summary": "Pixels in a row (28x28, blank)", "value": {"inputs": [[0] * 784]}},
        "fractions": {
            "summary": "Pixels from 0 to 1",
            "value": {"inputs": [[0.5] * 784], "pixel_range": [0, 1]},
        },
    },
}
QUERY = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    | ({"style": "form", "explode": False} if name == "pixel_range" else {})
    for name, schema in _FIELDS.items()
]
BODY = {
    "required": True,
    "content": {
        "application/json": _JSON_BODY,
        RAW: {"schema": _BINARY | {"description": "One byte a pixel, image after image."}},
        **{kind: {"schema": _BINARY | {"description": "An image file."}} for kind in IMAGES},
    },
}
REF = {
    "name": "ref",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "examples": [LATEST, examples.MODEL_ID]},
    "description": "Id or alias of the model.",
}
ANSWERS: dict[str, Any] = {
    "response_model": Predictions,
    "response_model_exclude_none": True,
    "responses": documented(ModelNotFound, 413, 415, InvalidInput, Overloaded, NotFinite),
}
