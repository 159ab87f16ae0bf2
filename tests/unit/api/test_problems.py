"""Errors of the service itself are problem documents too, and tell nothing that is inside."""

import asyncio
from pathlib import Path

import httpx
import pytest

from app.api import problem_kinds
from app.main import create_app
from app.settings import Settings
from app.store import errors, workers
from app.store.database import OperationalError
from app.store.errors import DatabaseBusy, StoreError


def ask_readiness(home: Path) -> httpx.Response:
    """One request to an application in this process."""

    async def ask() -> httpx.Response:
        app = create_app(Settings(home=home))
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: object, receive: object, send: object) -> None:
                scope["state"] = dict(state)  # type: ignore[index]
                await app(scope, receive, send)  # type: ignore[arg-type]

            transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.get("/readyz")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("secret"), 500, "internal"),
        (DatabaseBusy(), 503, "database_busy"),
        (OperationalError("secret", {}, Exception("secret")), 503, "database_unavailable"),
    ],
)
def test_a_fault_is_a_problem_that_keeps_its_cause_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setattr(workers, "any_alive", fail)
    answer = ask_readiness(tmp_path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_every_error_of_the_store_that_a_request_can_meet_has_its_problem() -> None:
    known = {
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, StoreError) and error is not StoreError
    }
    of_runs_and_starts = {errors.LeaseLost, errors.SchemaMismatch, errors.KeyNotFound}
    of_runs_and_starts |= {errors.DatabaseInUse, errors.ReferencesBroken}
    of_runs_and_starts |= {errors.DatabaseMissing, errors.DatabaseUnavailable}
    assert known - of_runs_and_starts == known & problem_kinds.DOMAIN.keys()


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in [*problem_kinds.DOMAIN.values(), *problem_kinds.HTTP.values()]]
    assert len(set(codes)) == len(codes)
