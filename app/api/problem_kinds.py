"""Which kind of problem each error is (RFC 9457): one table."""

from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from app.answers.described import described
from app.api import examples
from app.api.auth import Forbidden, Unauthorized
from app.api.origins import CrossSite, ForeignHost
from app.api.rates import TooManyRequests
from app.destinations import BadDestinations
from app.docstrings import describe
from app.images import InvalidInput
from app.serving.batching import NotFinite, Overloaded
from app.store.database import OperationalError
from app.store.disk import DatabaseUnwritable, FolderUnwritable
from app.store.errors import (
    AliasKept,
    AliasNotFound,
    DatabaseBusy,
    DatasetInUse,
    DatasetNameTaken,
    DatasetNotFound,
    DatasetNotReady,
    DigestMismatch,
    FileDamaged,
    IdempotencyConflict,
    IllegalMove,
    JobNotFound,
    ModelInUse,
    ModelNotFound,
    NoRangeTest,
    NoReport,
    NotAwaited,
    NotComparable,
    NothingToApply,
    NothingToRollBack,
    ObjectMissing,
    QuotaExceeded,
    StorageFull,
    UploadBusy,
    UploadMisplaced,
)
from app.store.object_errors import ObjectsUnavailable
from app.store.workers import WorkerNotFound


class Wrong(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(json_schema_extra=describe)

    pointer: str | None = None
    """The field of the body, as a JSON pointer."""
    parameter: str | None = None
    """The parameter of the path or the query."""
    header: str | None = None
    """The header."""
    detail: str
    """What it must be."""


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = described(examples.PROBLEM)

    type: str
    """A name of the kind of problem, as a URN."""
    title: str
    """The kind of problem, for people."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong here, and what to do."""
    code: str
    """The kind of problem, for programs; codes never change."""
    errors: list[Wrong]
    """Each thing that is wrong, where the request has several parts."""


class Kind(NamedTuple):
    """What kind of problem an error is. `code` never changes."""

    status: int
    code: str
    title: str


class InvalidBody(HTTPException):
    """The body cannot be read as what it claims to be; the message says where and why."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(422, detail)
        self.pointer = pointer


DOMAIN: dict[type[Exception], Kind] = {
    JobNotFound: Kind(404, "job_not_found", "No such job"),
    ModelNotFound: Kind(404, "model_not_found", "No such model"),
    NoReport: Kind(404, "no_report", "The model has no report"),
    NotComparable: Kind(409, "not_comparable", "The models were measured on different examples"),
    AliasNotFound: Kind(404, "alias_not_found", "No such alias"),
    AliasKept: Kind(409, "alias_kept", "The service keeps this alias"),
    ModelInUse: Kind(409, "model_in_use", "An alias names the model"),
    NothingToRollBack: Kind(409, "nothing_to_roll_back", "Nothing to roll back to"),
    NothingToApply: Kind(409, "nothing_to_apply", "The diagnosis suggests nothing"),
    NoRangeTest: Kind(404, "no_range_test", "No range test was made"),
    WorkerNotFound: Kind(404, "worker_not_found", "No such worker"),
    DatasetNotFound: Kind(404, "dataset_not_found", "No such dataset"),
    DatasetNameTaken: Kind(409, "dataset_name_taken", "A built-in dataset has this name"),
    DatasetInUse: Kind(409, "dataset_in_use", "A job or a dataset needs the dataset"),
    DatasetNotReady: Kind(409, "dataset_not_ready", "The dataset has not been imported"),
    NotAwaited: Kind(409, "not_awaited", "The dataset's state does not allow it"),
    UploadBusy: Kind(409, "upload_busy", "Another request uploads the file"),
    UploadMisplaced: Kind(409, "upload_misplaced", "The part begins elsewhere"),
    DigestMismatch: Kind(422, "digest_mismatch", "The upload was damaged on its way"),
    IllegalMove: Kind(409, "illegal_move", "The job's state does not allow it"),
    IdempotencyConflict: Kind(422, "idempotency_conflict", "Key used for another request"),
    InvalidInput: Kind(422, "invalid_input", "An input cannot be classified"),
    InvalidBody: Kind(422, "invalid_body", "The body cannot be read"),
    RequestValidationError: Kind(422, "invalid_request", "The request is not valid"),
    Unauthorized: Kind(401, "unauthorized", "A key is needed"),
    Forbidden: Kind(403, "forbidden", "The key is not for this"),
    ForeignHost: Kind(403, "foreign_host", "The service has another name"),
    CrossSite: Kind(403, "cross_site", "A page of another site asks"),
    TooManyRequests: Kind(429, "too_many_requests", "The key's rate is used up"),
    QuotaExceeded: Kind(429, "quota_exceeded", "The key's quota is used up"),
    Overloaded: Kind(503, "overloaded", "Too many inputs wait"),
    NotFinite: Kind(500, "not_finite", "The model gives no numbers"),
    FileDamaged: Kind(500, "file_damaged", "A stored file is damaged"),
    ObjectMissing: Kind(500, "object_missing", "An uploaded file is missing"),
    BadDestinations: Kind(500, "webhooks_unreadable", "The operator's webhooks cannot be read"),
    FolderUnwritable: Kind(500, "folder_unwritable", "A folder cannot be written to"),
    StorageFull: Kind(507, "storage_full", "The disk is full"),
    DatabaseBusy: Kind(503, "database_busy", "The database is busy"),
    DatabaseUnwritable: Kind(503, "database_unwritable", "The database cannot be written to"),
    OperationalError: Kind(503, "database_unavailable", "The database does not answer"),
    ObjectsUnavailable: Kind(503, "objects_unavailable", "The object storage does not answer"),
    Exception: Kind(500, "internal", "A fault of traind itself"),
}
"""Every error that a request may end with, beside those of HTTP itself."""

HTTP: dict[int, Kind] = {
    400: Kind(400, "bad_request", "The request cannot be read"),
    404: Kind(404, "not_found", "No such page"),
    405: Kind(405, "method_not_allowed", "The page does not take this method"),
    408: Kind(408, "request_timeout", "The request did not come whole"),
    411: Kind(411, "length_required", "The body's length is not said"),
    413: Kind(413, "body_too_large", "The body is too large"),
    415: Kind(415, "unsupported_media_type", "The body's type is not supported"),
}


def documented(*errors: type[Exception] | int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may end with these errors, by class or HTTP status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        kind = HTTP[error] if isinstance(error, int) else DOMAIN[error]
        known = responses.get(kind.status)
        description = f"{known['description']}; {kind.title}" if known else kind.title
        responses[kind.status] = {"model": Problem, "description": description}
    return responses


EVERYWHERE = documented(
    RequestValidationError,
    DatabaseBusy,
    DatabaseUnwritable,
    FileDamaged,
    StorageFull,
    Unauthorized,
    Forbidden,
    ForeignHost,
    CrossSite,
    TooManyRequests,
)
"""What every route may answer."""
