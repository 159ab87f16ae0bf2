"""What a network sees of a picture: the file as it is prepared for the model."""

import io
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from PIL import Image

from app.api.body import read_body
from app.api.headers import media_type
from app.api.parameters import ModelRef
from app.api.predict_rows import about
from app.api.prediction_schemas import IMAGES
from app.api.problem_kinds import InvalidBody, documented
from app.api.routes import Route, needs
from app.api.state import TheCatalog
from app.images import InvalidInput, files
from app.images.files import MEDIA_TYPES
from app.serving import image_inputs
from app.serving.batching import Overloaded
from app.serving.decoding import DecodingPool
from app.serving.image_inputs import Preprocess
from app.serving.signature import Pixels, Signature
from app.serving.table_signature import TableSignature
from app.store.errors import ModelNotFound
from app.store.keys import Scope

router = APIRouter(prefix="/models", tags=["predictions"], route_class=Route)

_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/{ref}/input",
    summary="What the network sees",
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(IMAGES, _BINARY)}},
    responses={
        200: {"content": {"image/png": _BINARY}},
        **documented(ModelNotFound, 413, 415, InvalidBody, InvalidInput, Overloaded),
    },
)
@needs(Scope.PREDICT)
async def show_input(
    ref: ModelRef,
    request: Request,
    catalog: TheCatalog,
    preprocess: Annotated[Preprocess, Query(description="As of /predict.")] = "auto",
) -> Response:
    """An image file as the model takes it, as a PNG of the size of its input."""
    kind, body = media_type(request), await read_body(request)
    if not body:
        raise InvalidBody("The body is empty: send an image file.")
    if kind not in MEDIA_TYPES:
        raise HTTPException(415, f"Send one of {', '.join(IMAGES)} as Content-Type.")
    signature = (await catalog.find(ref)).signature
    if isinstance(signature, TableSignature):
        raise HTTPException(415, f"Send no {kind}: {about(signature)}.")
    if refusal := image_inputs.refusal(signature, preprocess):
        error = {"type": "value_error", "loc": ("query", "preprocess"), "msg": refusal}
        raise RequestValidationError([error])
    decoding: DecodingPool = request.state.decoding
    image = await decoding.run(len(body), partial(files.open_file, body, (MEDIA_TYPES[kind],)))
    pixels, _ = await decoding.decode(image, signature, preprocess)
    return Response(_png(pixels, signature), media_type="image/png")


def _png(pixels: Pixels, signature: Signature) -> bytes:
    """Pixels (C, H, W) in the model's range as a grey or a coloured picture."""
    low, high = signature.pixel_range
    bytes_ = np.rint((pixels - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    grey_or_colour = bytes_[0] if len(bytes_) == 1 else bytes_.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(grey_or_colour)).save(file, "PNG")
    return file.getvalue()
