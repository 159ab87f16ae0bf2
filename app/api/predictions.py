"""POST /predict: which class is it, and how surely?"""

from functools import lru_cache, partial
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.api import predict_body, predict_json, predict_rows
from app.api.body import read_body
from app.api.headers import media_type
from app.api.hot_routes import Answer
from app.api.predict_body import ModelInputs, most_inputs
from app.api.prediction_schemas import ANSWERS, BODY, IMAGES, QUERY, RAW, REF, Asked
from app.api.problem_kinds import InvalidBody
from app.api.routes import Route, needs
from app.api.strict_json import is_json
from app.images import InvalidInput, files
from app.images.files import MEDIA_TYPES
from app.serving import image_inputs, pixel_arrays
from app.serving.batching import Predicted
from app.serving.catalog import Catalog, Served
from app.serving.decoding import DecodingPool
from app.serving.input_warnings import BLANK_PICTURE, InputWarning
from app.serving.signature import Signature
from app.serving.table_signature import TableSignature
from app.store.errors import ModelNotFound
from app.store.keys import Scope

router = APIRouter(tags=["predictions"], route_class=Route)
"""Hot routes: each takes the request and nothing else (see hot_routes.py)."""


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


@router.post(
    "/predict",
    summary="Classify images or rows",
    openapi_extra={"parameters": QUERY, "requestBody": BODY},
    **ANSWERS,
)
@needs(Scope.PREDICT)
async def predict(request: Request) -> Response:
    """Takes JSON, raw pixels, or an image file as the body itself; rows of a table as JSON."""
    return await _answer(request, None)


@router.post(
    "/models/{ref}/predict",
    summary="Classify images or rows with one model",
    openapi_extra={
        "parameters": [REF, *(each for each in QUERY if each["name"] != "model")],
        "requestBody": BODY,
    },
    **ANSWERS,
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
    if kind == RAW or kind in MEDIA_TYPES:
        served = await catalog.find(ref or asked.model)
        signature = served.signature
        if isinstance(signature, TableSignature):
            raise HTTPException(415, f"Send no {kind}: {predict_rows.about(signature)}.")
        _check_preprocess(asked, signature, None)
        if kind == RAW:
            inputs = _from_bytes(body, signature, asked)
        else:
            inputs = await _from_file(body, MEDIA_TYPES[kind], signature, asked, decoding)
    elif is_json(kind):
        read = predict_json.read(body)
        sent = read.sent
        asked = _combined(asked, sent, ref)
        served = await catalog.find(ref or asked.model)
        signature = served.signature
        if isinstance(signature, TableSignature):
            _check_for_rows(asked, signature, sent)
            inputs = await predict_rows.model_inputs(sent.inputs, signature, decoding)
        else:
            _check_preprocess(asked, signature, sent)
            inputs = await predict_body.model_inputs(
                read, signature, asked.pixel_range, asked.preprocess, decoding
            )
    else:
        known = ", ".join(["application/json", RAW, *IMAGES])
        raise HTTPException(415, f"Send one of {known} as Content-Type.")
    request.scope["state"]["model"] = served.model_id
    predicted = await served.batcher.predict(inputs.values)
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


def _combined(asked: Asked, sent: predict_json.PredictBody, ref: str | None) -> Asked:
    said = {
        name: value
        for name in ("model", "top_k", "preprocess", "pixel_range")
        if (value := getattr(sent, name)) is not None
    }
    if ref is not None and said.get("model", ref) != ref:
        raise InvalidBody(f"The path names {ref}; leave model out, or name the same.", "/model")
    return asked.model_copy(update=said) if said else asked


def _check_for_rows(
    asked: Asked, signature: TableSignature, sent: predict_json.PredictBody
) -> None:
    """Refuses what is for pictures alone, where it was said."""
    for name in ("preprocess", "pixel_range"):
        if name in asked.model_fields_set and getattr(asked, name) is not None:
            refusal = f"is for pictures; {predict_rows.about(signature)}. Leave {name} out"
            raise _refused(name, refusal, sent)


def _check_preprocess(
    asked: Asked, signature: Signature, sent: predict_json.PredictBody | None
) -> None:
    """Refuses a `preprocess` that the model does not take, where it was said."""
    refusal = image_inputs.refusal(signature, asked.preprocess)
    if refusal is not None:
        raise _refused("preprocess", refusal, sent)


def _refused(name: str, refusal: str, sent: predict_json.PredictBody | None) -> Exception:
    """The error at the place where a field was said: the body, or the query."""
    if sent is not None and getattr(sent, name) is not None:
        return InvalidBody(f"{name}: {refusal}.", f"/{name}")
    return RequestValidationError([{"type": "value_error", "loc": ("query", name), "msg": refusal}])


def _from_bytes(body: bytes, signature: Signature, asked: Asked) -> ModelInputs:
    pixels = pixel_arrays.from_bytes(body, signature, asked.pixel_range)
    most = most_inputs(signature)
    if len(pixels) > most:
        raise InvalidInput(f"has {len(pixels)} images; at most {most} are taken")
    warnings = pixel_arrays.find_warnings(pixels, signature, asked.pixel_range)
    return ModelInputs(pixels, warnings)


async def _from_file(
    body: bytes, form: str, signature: Signature, asked: Asked, decoding: DecodingPool
) -> ModelInputs:
    image = await decoding.run(len(body), partial(files.open_file, body, (form,)))
    pixels, warnings = await decoding.decode(image, signature, asked.preprocess)
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
