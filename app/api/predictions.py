"""POST /predict: which class is it, and how surely?"""

from functools import lru_cache, partial
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.api import examples, predict_body
from app.api.body import read_body
from app.api.headers import media_type
from app.api.hot_routes import Answer
from app.api.predict_body import MAX_CLASSES, MAX_INPUTS, ModelInputs
from app.api.problem_kinds import InvalidBody, documented
from app.api.routes import Route, needs
from app.api.schemas import described
from app.api.strict_json import is_json
from app.images import InvalidInput, files
from app.jobspec import Text
from app.serving import pixel_arrays
from app.serving.batching import NotFinite, Overloaded, Predicted
from app.serving.catalog import Catalog, Served
from app.serving.decoding import DecodingPool
from app.serving.image_inputs import Preprocess
from app.serving.input_warnings import BLANK_PICTURE, Code, InputWarning
from app.serving.signature import Range, check_range
from app.store.aliases import LATEST
from app.store.errors import ModelNotFound
from app.store.keys import Scope

router = APIRouter(tags=["predictions"], route_class=Route)
"""Hot routes: each takes the request and nothing else (see hot_routes.py)."""

RAW = "application/octet-stream"
IMAGES = {"image/png": ("PNG",), "image/jpeg": ("JPEG",), "image/jpg": ("JPEG",)}
"""Image files as bodies, and the only decoder that each may reach; `image/jpg` is common."""


class Ranked(BaseModel):
    """A class and how sure the model is of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    label: str
    """Name of the class."""
    index: int
    """Place of the class in the model's classes, from 0."""
    confidence: float
    """Probability of the class, 0 to 1."""


class PredictionWarning(BaseModel):
    """Why a prediction may not be trusted."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    code: Code
    """`blank`, `faint`, `several_objects`, `dark_frame` (cut off), or `pixel_range`."""
    detail: str
    """What was found in the input, and what to do."""


class Prediction(Ranked):
    """The most probable class of one input, and the probabilities of all."""

    probabilities: list[float]
    """Probability of each class, in the order of the model's classes; they sum to 1."""
    top: list[Ranked] | None = None
    """The most probable classes, best first; only where top_k was given."""
    warnings: list[PredictionWarning] | None = None
    """What is doubtful about the input; left out where nothing is."""


class Predictions(BaseModel):
    """A prediction for each input, in their order."""

    model_config = described(examples.PREDICTIONS)

    model: str
    """Id of the model that answered."""
    predictions: list[Prediction]
    """One for each input."""


class Asked(BaseModel):
    """The query; a JSON body may say the same, and counts more."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    model: Annotated[str, Field(min_length=1, max_length=64), Text] | None = None
    """Id or alias of the model; production if that is set, or else latest."""
    top_k: Annotated[int, Field(ge=1, le=MAX_CLASSES)] | None = None
    """How many of the most probable classes to list in `top`."""
    preprocess: Preprocess = "auto"
    """`mnist` brings an image file to the model's input the way MNIST was made (grey, inverted
    where the ground is light, cropped, centred); `none` only makes it grey and scales it; `auto` is
    `mnist` for models of digits, and leaves alone what looks like their training images."""
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


class _Ranked(msgspec.Struct, gc=False):
    label: str
    index: int
    confidence: float


class _Prediction(_Ranked, gc=False, omit_defaults=True):
    probabilities: list[float]
    top: list[_Ranked] | None = None
    warnings: list[InputWarning] | None = None


class _Predictions(msgspec.Struct, gc=False):
    model: str
    predictions: list[_Prediction]


_encoder = msgspec.json.Encoder()
# The same as Predictions; to validate what was just made would take longer than to make it.

_BINARY = {"type": "string", "format": "binary"}
_PIXELS: dict[str, Any] = {
    "description": "One input or a list of them. An input is a list of pixels ([C][H][W], [H][W] "
    "for one channel, or all in a row), or a PNG or JPEG in base64.",
    "oneOf": [{"type": "array", "items": {}, "maxItems": MAX_INPUTS}, {"type": "string"}],
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
        "pixels": {"summary": "Pixels in a row (28x28, blank)", "value": {"inputs": [[0] * 784]}},
        "fractions": {
            "summary": "Pixels from 0 to 1",
            "value": {"inputs": [[0.5] * 784], "pixel_range": [0, 1]},
        },
    },
}
_QUERY = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    | ({"style": "form", "explode": False} if name == "pixel_range" else {})
    for name, schema in _FIELDS.items()
]
_BODY = {
    "required": True,
    "content": {
        "application/json": _JSON_BODY,
        RAW: {"schema": _BINARY | {"description": "One byte a pixel, image after image."}},
        **{kind: {"schema": _BINARY | {"description": "An image file."}} for kind in IMAGES},
    },
}
_REF = {
    "name": "ref",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "examples": [LATEST, examples.MODEL_ID]},
    "description": "Id or alias of the model.",
}
_ANSWERS: dict[str, Any] = {
    "response_model": Predictions,
    "response_model_exclude_none": True,
    "responses": documented(ModelNotFound, 413, 415, InvalidInput, Overloaded, NotFinite),
}


@router.post(
    "/predict",
    summary="Classify images",
    openapi_extra={"parameters": _QUERY, "requestBody": _BODY},
    **_ANSWERS,
)
@needs(Scope.PREDICT)
async def predict(request: Request) -> Response:
    """Takes JSON, raw pixels, or an image file as the body itself."""
    return await _answer(request, None)


@router.post(
    "/models/{ref}/predict",
    summary="Classify images with one model",
    openapi_extra={
        "parameters": [_REF, *(each for each in _QUERY if each["name"] != "model")],
        "requestBody": _BODY,
    },
    **_ANSWERS,
)
@needs(Scope.PREDICT)
async def predict_with(request: Request) -> Response:
    """As /predict, by the model that the path names."""
    ref: str = request.path_params["ref"]
    if len(ref) > 64 or "\0" in ref:
        raise ModelNotFound(ref)
    return await _answer(request, ref)


async def _answer(request: Request, ref: str | None) -> Response:
    catalog: Catalog = request.scope["state"]["catalog"]
    decoding: DecodingPool = request.scope["state"]["decoding"]
    kind = media_type(request)
    asked = _asked(request.scope["query_string"])
    body = await read_body(request)
    if kind == RAW or kind in IMAGES:
        served = await catalog.find(ref or asked.model)
        if kind == RAW:
            inputs = _from_bytes(body, served, asked)
        else:
            inputs = await _from_file(body, IMAGES[kind], served, asked, decoding)
    elif is_json(kind):
        sent = predict_body.read(body)
        asked = _combined(asked, sent, ref)
        served = await catalog.find(ref or asked.model)
        inputs = await predict_body.model_inputs(
            sent.inputs, served.signature, asked.pixel_range, asked.preprocess, decoding
        )
    else:
        known = ", ".join(["application/json", RAW, *IMAGES])
        raise HTTPException(415, f"Send one of {known} as Content-Type.")
    request.scope["state"]["model"] = served.model_id
    predicted = await served.batcher.predict(inputs.pixels)
    return Answer(_encoded(served, predicted, asked.top_k, inputs.warnings), b"application/json")


@lru_cache(maxsize=1024)
def _asked(query: bytes) -> Asked:
    try:
        return Asked.model_validate(
            dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        )
    except ValidationError as error:
        errors = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(errors) from error


def _combined(asked: Asked, sent: predict_body.PredictBody, ref: str | None) -> Asked:
    said = {
        name: value
        for name in ("model", "top_k", "preprocess", "pixel_range")
        if (value := getattr(sent, name)) is not None
    }
    if ref is not None and said.get("model", ref) != ref:
        raise InvalidBody(f"The path names {ref}; leave model out, or name the same.", "/model")
    return asked.model_copy(update=said) if said else asked


def _from_bytes(body: bytes, served: Served, asked: Asked) -> ModelInputs:
    pixels = pixel_arrays.from_bytes(body, served.signature, asked.pixel_range)
    if len(pixels) > MAX_INPUTS:
        raise InvalidInput(f"has {len(pixels)} images; at most {MAX_INPUTS} are taken")
    warnings = pixel_arrays.find_warnings(pixels, served.signature, asked.pixel_range)
    return ModelInputs(pixels, warnings)


async def _from_file(
    body: bytes, formats: tuple[str, ...], served: Served, asked: Asked, decoding: DecodingPool
) -> ModelInputs:
    image = await decoding.run(len(body), partial(files.open_file, body, formats))
    pixels, warnings = await decoding.decode(image, served.signature, asked.preprocess)
    return ModelInputs(pixels[None], {0: warnings} if warnings else {})


def _encoded(
    served: Served, predicted: Predicted, top_k: int | None, warnings: dict[int, list[InputWarning]]
) -> bytes:
    classes = served.signature.classes
    predictions = [
        _Prediction(classes[best], best, row[best], row)
        for best, row in zip(predicted.best, predicted.rows, strict=True)
    ]
    for index, found in warnings.items():
        if BLANK_PICTURE in found:
            row = [round(1 / len(classes), 7)] * len(classes)
            predictions[index] = _Prediction(classes[0], 0, row[0], row)
        predictions[index].warnings = found
    if top_k is not None:
        for prediction in predictions:
            row = prediction.probabilities
            order = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:top_k]
            prediction.top = [_Ranked(classes[index], index, row[index]) for index in order]
    return _encoder.encode(_Predictions(served.model_id, predictions))
