"""The Open Inference Protocol v2 of KServe, Triton and MLServer, for clients that speak it."""

import importlib.metadata
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from app.api import examples, inference_files, inference_protocol, inference_rows
from app.api.body import read_body
from app.api.headers import header
from app.api.hot_routes import Answer
from app.api.inference_protocol import INPUT, OUTPUT, InferRequest, InferResponse
from app.api.inference_rows import ROWS
from app.api.inference_schemas import Live, Metadata, Readiness, Server, Tensor
from app.api.predict_body import PARSED_BYTES, ModelInputs
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheCatalog, TheDatabase
from app.jobspec import Text
from app.serving import pixel_arrays
from app.serving.batching import NotFinite, Overloaded
from app.serving.catalog import Catalog, Served
from app.serving.decoding import DecodingPool
from app.serving.signature import Signature
from app.serving.table_signature import TableSignature
from app.store.aliases import LATEST
from app.store.errors import ModelNotFound
from app.store.keys import Scope

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=Route)
inference = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=Route)
"""Hot routes: each takes the request and nothing else (see hot_routes.py)."""

HEADER_LENGTH = b"inference-header-content-length"
INLINE_BYTES = 2**20
"""Bodies up to this size are read on the event loop; mostly they are bytes and cost nothing."""

Name = Annotated[
    str, Path(description="Alias or id of a model.", examples=[LATEST], max_length=64), Text
]
Version = Annotated[
    str,
    Path(description="Id of a model that the name means, or has meant.", max_length=64),
    Text,
]


@router.get("", summary="Server metadata")
@needs(Scope.READ)
async def server() -> Server:
    """The server's name, version and extensions of the protocol."""
    extensions = ["binary_tensor_data", "classification"]
    return Server(
        name="traind", version=importlib.metadata.version("traind"), extensions=extensions
    )


@router.get("/health/live", summary="Is the server alive?")
@needs(None, takes_any_query=True)
async def live() -> Live:
    """Answers without touching the database."""
    return Live(live=True)


@router.get("/health/ready", summary="Is the server ready?", response_model_exclude_none=True)
@needs(None, takes_any_query=True)
def ready(database: TheDatabase) -> Readiness:
    """Asks the database."""
    with database.read():
        return Readiness(ready=True)


@router.get("/models/{name}", summary="Model metadata", responses=documented(ModelNotFound))
@needs(Scope.READ)
async def metadata(name: Name, catalog: TheCatalog) -> Metadata:
    """The tensors of the model that the name means now."""
    return await _metadata(catalog, name, None)


@router.get(
    "/models/{name}/versions/{version}",
    summary="Metadata of a version",
    responses=documented(ModelNotFound),
)
@needs(Scope.READ)
async def version_metadata(name: Name, version: Version, catalog: TheCatalog) -> Metadata:
    """The tensors of one version: a model that the name means, or has meant."""
    return await _metadata(catalog, name, version)


@router.get(
    "/models/{name}/ready",
    summary="Is a model ready?",
    response_model_exclude_none=True,
    responses=documented(ModelNotFound),
)
@needs(Scope.READ)
async def model_ready(name: Name, catalog: TheCatalog) -> Readiness:
    """Loads the model, if it is not loaded yet."""
    await catalog.find(name)
    return Readiness(ready=True, name=name)


@router.get(
    "/models/{name}/versions/{version}/ready",
    summary="Is a version ready?",
    response_model_exclude_none=True,
    responses=documented(ModelNotFound),
)
@needs(Scope.READ)
async def version_ready(name: Name, version: Version, catalog: TheCatalog) -> Readiness:
    """Loads the model, if it is not loaded yet."""
    await catalog.find(name, version)
    return Readiness(ready=True, name=name)


async def _metadata(catalog: Catalog, name: str, version: str | None) -> Metadata:
    served = await catalog.find(name, version)
    signature = served.signature
    return Metadata(
        name=name,
        versions=[served.model_id],
        platform="onnxruntime_onnx",
        inputs=_tensors(signature),
        outputs=[Tensor(name=OUTPUT, datatype="FP32", shape=[-1, len(signature.classes)])],
    )


def _tensors(signature: Signature | TableSignature) -> list[Tensor]:
    """The inputs: one of pictures, or one for each column of a table."""
    if isinstance(signature, TableSignature):
        return [
            Tensor(name=column.name, datatype=inference_rows.datatype(column), shape=[-1, 1])
            for column in signature.columns
        ]
    return [Tensor(name=INPUT, datatype="FP32", shape=[-1, *signature.input_shape])]


_BINARY = {"type": "string", "format": "binary"}
_ABOUT_BINARY = "JSON and then the tensor's bytes; Inference-Header-Content-Length says where."
_HEADER: dict[str, Any] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "Bytes of the JSON part, where tensors follow it.",
}


def _parameter(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 64}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": description,
    }


_NAME = _parameter("name", "Alias or id of a model.")
_VERSION = _parameter("version", "Id of a model that the name means, or has meant.")
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {
                        "type": ["string", "number", "null"],
                        "description": "Comes back with the answer.",
                    },
                    "inputs": {
                        "type": "array",
                        "items": {"type": "object"},
                        "description": "The tensors: `name`, `shape`, `datatype`, and `data` "
                        "or, in binary, the parameter `binary_data_size`.",
                    },
                    "outputs": {
                        "type": ["array", "null"],
                        "items": {"type": "object"},
                        "description": "Only `probabilities`; its parameters are "
                        "`binary_data` and `classification`, how many classes to name instead.",
                    },
                    "parameters": {
                        "type": ["object", "null"],
                        "description": "`preprocess` and `pixel_range`, as /predict has them, and "
                        "`binary_data_output`: answer in binary.",
                    },
                },
            },
            "example": examples.INFER,
        },
        "application/octet-stream": {"schema": _BINARY | {"description": _ABOUT_BINARY}},
    },
}
_ANSWERS: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The output tensor",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": examples.INFERRED},
                "application/octet-stream": {"schema": _BINARY | {"description": _ABOUT_BINARY}},
            },
        },
        **documented(ModelNotFound, 413, Overloaded, NotFinite),
    },
}


@inference.post(
    "/models/{name}/infer",
    summary="Infer",
    openapi_extra={"parameters": [_NAME, _HEADER], "requestBody": _BODY},
    **_ANSWERS,
)
@needs(Scope.PREDICT)
async def infer(request: Request) -> Response:
    """Probabilities of a batch of images, `pixels` in the model's own range.

    A tensor of BYTES, of shape `[-1]` or `[-1, 1]`, brings image files instead of numbers: in JSON
    as base64 or data URLs, in binary as they are. A parameter `preprocess` is that of `/predict`.

    A model of a table takes a tensor for each column, of shape `[-1]` or `[-1, 1]`: numbers of any
    datatype, or BYTES; NaN and columns that are left out count as missing.

    A parameter `pixel_range` of the request or the tensor, such as `"0,1"`, says another one.
    Where inputs are doubtful, the response's parameter `warnings` says which, and why.
    """
    return await _infer(request, request.path_params["name"], None)


@inference.post(
    "/models/{name}/versions/{version}/infer",
    summary="Infer with a version",
    openapi_extra={"parameters": [_NAME, _VERSION, _HEADER], "requestBody": _BODY},
    **_ANSWERS,
)
@needs(Scope.PREDICT)
async def infer_version(request: Request) -> Response:
    """As infer, by one version: a model that the name means, or has meant."""
    return await _infer(request, request.path_params["name"], request.path_params["version"])


async def _infer(request: Request, name: str, version: str | None) -> Response:
    if "\0" in name + (version or "") or max(len(name), len(version or "")) > 64:
        raise ModelNotFound(name)
    catalog: Catalog = request.scope["state"]["catalog"]
    body = await read_body(request)
    asked, binary = await inference_protocol.read(body, header(request, HEADER_LENGTH))
    how = inference_protocol.wanted(asked)
    served = await catalog.find(name, version)
    request.scope["state"]["model"] = served.model_id
    inputs = await _inputs(request, asked, binary, len(body) - len(binary), served)
    predicted = await served.batcher.predict(inputs.values)
    place = ROWS if isinstance(served.signature, TableSignature) else INPUT
    parameters = inference_protocol.warning_parameters(inputs.warnings, place)
    response = InferResponse(name, served.model_id, [], asked.id, parameters)
    probabilities = inference_files.with_blanks(predicted.probabilities, inputs.warnings)
    content, length = inference_protocol.encode(
        response, probabilities, how, served.signature.classes
    )
    if not how.binary:
        return Answer(content, b"application/json")
    return Answer(content, b"application/octet-stream", (HEADER_LENGTH, str(length).encode()))


async def _inputs(
    request: Request, asked: InferRequest, binary: bytes, json_bytes: int, served: Served
) -> ModelInputs:
    """What the model takes; what takes long is read in threads."""
    decoding: DecodingPool = request.scope["state"]["decoding"]
    signature = served.signature
    if isinstance(signature, TableSignature):
        size = len(binary) + json_bytes * PARSED_BYTES
        read_rows = partial(inference_rows.model_inputs, asked, binary, signature)
        return await decoding.run(size, read_rows)
    if inference_files.has_files(asked):
        return await inference_files.model_inputs(asked, binary, json_bytes, signature, decoding)
    given = inference_protocol.pixel_range(asked)
    reader = partial(inference_protocol.pixels, asked, binary, signature, given)
    if json_bytes > INLINE_BYTES:
        pixels = await decoding.run(json_bytes * PARSED_BYTES, reader)
    else:
        pixels = reader()
    return ModelInputs(pixels, pixel_arrays.find_warnings(pixels, signature, given))
