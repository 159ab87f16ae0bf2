"""From an error to its `application/problem+json` document (RFC 9457)."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app.api.plain_words import explain
from app.api.problem_kinds import DOMAIN, HTTP, InvalidBody, Kind
from app.api.rates import TooManyRequests
from app.destinations import BadDestinations
from app.images import InvalidInput
from app.jobspec import JobSpec
from app.store.disk import DatabaseUnwritable, FolderUnwritable
from app.store.errors import UploadMisplaced
from app.store.object_errors import ObjectsUnavailable

log = logging.getLogger("traind.api")

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
JSON, PROBLEM_JSON = "application/json", "application/problem+json"
UPLOAD_OFFSET = "Upload-Offset"
"""How many bytes of an upload have arrived (draft-ietf-httpbis-resumable-upload)."""
RETRY_AFTER = {"Retry-After": "2"}


def problem(
    kind: Kind,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that tells the client what is wrong and what to do."""
    document = {
        "type": f"urn:traind:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "errors": list(errors),
    }
    return JSONResponse(document, kind.status, headers, media_type=PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    for error in (*DOMAIN, HTTPException):
        app.add_exception_handler(error, _handle)
    app.add_exception_handler(ClientDisconnect, _nobody_listens)


def is_of_protocol(path: str) -> bool:
    """Whether errors are those of the Open Inference Protocol there."""
    return path == "/v2" or path.startswith("/v2/")


async def _nobody_listens(_request: Request, _error: Exception) -> Response:
    """The client has gone before all of its body had come: no fault of ours, and no answer is
    read. 499 is nginx' status for it."""
    return Response(status_code=499)


async def _handle(request: Request, error: Exception) -> Response:
    return answer(request, error)


def answer(request: Request, error: Exception) -> Response:
    """The document of an error that ended a request."""
    if isinstance(error, HTTPException) and not isinstance(error, InvalidBody):
        return _http_error(request, error)
    kind = next(DOMAIN[cause] for cause in type(error).__mro__ if cause in DOMAIN)
    return _rendered(request, kind, *_facts(request, error, kind), _headers(error, kind))


def _headers(error: Exception, kind: Kind) -> Mapping[str, str] | None:
    if kind.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, UploadMisplaced):
        return {UPLOAD_OFFSET: str(error.offset)}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(ceil(error.seconds))}
    return RETRY_AFTER if kind.status in (429, 503) else None


def _rendered(
    request: Request,
    kind: Kind,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document, or what the Open Inference Protocol has instead."""
    if not is_of_protocol(request.url.path):
        return problem(kind, detail, errors, headers)
    status = 400 if kind.status == 422 else kind.status
    return JSONResponse({"error": detail}, status, headers)


def _facts(request: Request, error: Exception, kind: Kind) -> tuple[str, list[dict[str, str]]]:
    """The problem's detail, and its list of errors."""
    match error:
        case RequestValidationError():
            errors = explain(error.errors(), _body_of(request))
            return _summary(errors), errors
        case InvalidInput(message=message, index=index):
            pointer = "" if index is None else f"/inputs/{index}"
            return f"{pointer or 'The image'}: {message}.", [
                {"pointer": pointer, "detail": message}
            ]
        case InvalidBody(detail=detail, pointer=pointer):
            return detail, [{"pointer": pointer, "detail": detail}]
        case _ if kind.code == "database_unavailable":
            return "The database does not answer; try again in a few seconds.", []
        case ObjectsUnavailable():
            log.error("%s", error)  # what is wrong there is a matter of the operator
            return "The object storage does not answer; try again in a few seconds.", []
        case FolderUnwritable():
            log.error("%s", error.__cause__ or error)  # which has the whole path
        case DatabaseUnwritable():
            log.error("%s", error)
        case BadDestinations():
            log.error("%s", error)  # it names a path of the operator's: no matter for clients
            return "The operator's webhooks cannot be read; the log of the API says why.", []
        case _ if kind.code == "internal":
            return f"{request.method} {request.url.path} failed; the log of the API says why.", []
    return str(error), []


def _body_of(request: Request) -> type[BaseModel]:
    """What the body of a request to this route must be."""
    field = getattr(request.scope.get("route"), "body_field", None)
    body = field.field_info.annotation if field else None
    return body if isinstance(body, type) and issubclass(body, BaseModel) else JobSpec


def _summary(errors: list[dict[str, str]]) -> str:
    first, *others = errors
    where = first.get("pointer") or first.get("parameter") or first.get("header")
    if not where:
        where = "A parameter without a name" if "parameter" in first else "The body"
    more = f" (and {len(others)} more, see errors)" if others else ""
    return f"{where}: {first['detail']}{more}."


def _http_error(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    kind = HTTP.get(status, Kind(status, status.phrase.lower().replace(" ", "_"), status.phrase))
    detail, headers = error.detail, dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}; /docs lists what there is."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.url.path} takes {headers['Allow']}, not {request.method}."
    return _rendered(request, kind, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Methods of every route with this path; the router's own answer names the first's only."""
    routes = request.app.router.routes
    return [
        method
        for method in METHODS
        for served in ["GET" if method == "HEAD" else method]  # as the gate does
        if any(
            route.matches({**request.scope, "method": served})[0] is Match.FULL for route in routes
        )
    ]
