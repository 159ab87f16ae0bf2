"""POST /predict: which class is it, and how surely?"""

from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from app.api import examples
from app.api.predict_body import MAX_CLASSES, MAX_INPUTS, pixels, read
from app.api.problems import documented
from app.api.schemas import described
from app.api.state import TheCatalog
from app.api.strict_json import is_json
from app.jobspec import Text
from app.serving.catalog import Catalog
from app.serving.images import InvalidInput, from_file
from app.serving.predictor import Predictor
from app.store.lifecycle import ModelNotFound
from app.store.trained_models import LATEST

router = APIRouter(tags=["predictions"])

IMAGES = {"image/png": ("PNG",), "image/jpeg": ("JPEG",)}
"""Raw bodies that are taken, and the only decoder that each may reach."""


class Ranked(BaseModel):
    """A class and how sure the model is of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    label: str
    """Name of the class."""
    index: int
    """Place of the class in the model's classes, from 0."""
    confidence: float
    """Probability of the class, 0 to 1."""


class Prediction(Ranked):
    """The most probable class of one input, and the probabilities of all."""

    probabilities: list[float]
    """Probability of each class, in the order of the model's classes; they sum to 1."""
    top: list[Ranked] | None = None
    """The most probable classes, best first; only where top_k was given."""


class Predictions(BaseModel):
    """A prediction for each input, in their order."""

    model_config = described(examples.PREDICTIONS)

    model: str
    """Id of the model that answered."""
    predictions: list[Prediction]
    """One for each input."""


_IMAGE_BODY = {"schema": {"type": "string", "format": "binary", "description": "An image file."}}
_PIXELS: dict[str, Any] = {
    "description": "One input or a list of them. An input is a list of pixels in the model's "
    "pixel range ([C][H][W], [H][W] for one channel, or all in a row), or a PNG or JPEG in base64.",
    "oneOf": [{"type": "array", "items": {}, "maxItems": MAX_INPUTS}, {"type": "string"}],
}
_JSON_BODY = {
    "schema": {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "inputs": _PIXELS,
            "model": {"type": ["string", "null"], "description": "Id or alias; latest if null."},
            "top_k": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": MAX_CLASSES,
                "description": "How many of the most probable classes to list in `top`.",
            },
        },
    },
    "examples": {
        "image": {
            "summary": "A PNG in base64",
            "value": {"inputs": [examples.PNG_BASE64], "model": LATEST, "top_k": 3},
        },
        "pixels": {"summary": "Pixels in a row (28x28, blank)", "value": {"inputs": [[0] * 784]}},
    },
}
_BODIES = {
    "requestBody": {
        "required": True,
        "content": {"application/json": _JSON_BODY, **dict.fromkeys(IMAGES, _IMAGE_BODY)},
    }
}


@router.post(
    "/predict",
    summary="Classify images",
    response_model=Predictions,
    response_model_exclude_none=True,
    responses=documented(ModelNotFound, 413, 415, InvalidInput),
    openapi_extra=_BODIES,
)
async def predict(
    request: Request,
    catalog: TheCatalog,
    model: Annotated[
        str, Query(description="Id or alias of the model.", min_length=1, max_length=64), Text
    ] = LATEST,
    top_k: Annotated[
        int | None,
        Query(ge=1, le=MAX_CLASSES, description="How many of the most probable classes to list."),
    ] = None,
) -> Response:
    """Takes JSON, or an image as the body itself. Images are made grey and scaled to the model."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not is_json(kind) and kind not in IMAGES:
        raise HTTPException(415, f"Send application/json, {' or '.join(IMAGES)} as Content-Type.")
    answer = await run_in_threadpool(_answer, catalog, body, IMAGES.get(kind), model, top_k)
    return Response(answer, media_type="application/json")


def _answer(
    catalog: Catalog, body: bytes, image: tuple[str, ...] | None, model: str, top_k: int | None
) -> bytes:
    if image:
        predictor = catalog.predictor(model)
        inputs = [from_file(body, predictor.signature, image)]
    else:
        asked = read(body)
        predictor = catalog.predictor(asked.model or model)
        inputs = pixels(asked.inputs, predictor.signature)
        top_k = asked.top_k or top_k
    predictions = _predictions(predictor, predictor.probabilities(inputs), top_k)
    return msgspec.json.encode({"model": predictor.model_id, "predictions": predictions})


def _predictions(
    predictor: Predictor, probabilities: np.ndarray[Any, Any], top_k: int | None
) -> list[dict[str, Any]]:
    classes = predictor.signature.classes
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : top_k or 1].tolist()
    predictions: list[dict[str, Any]] = []
    for row, best in zip(probabilities.round(7).tolist(), order, strict=True):
        ranked = [{"label": classes[i], "index": i, "confidence": row[i]} for i in best]
        top = {"top": ranked} if top_k else {}
        predictions.append({**ranked[0], "probabilities": row, **top})
    return predictions
