"""The gate while the database fails or hangs: problems for what needs it, and life for the rest."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api import auth
from app.main import create_app
from app.settings import Settings
from app.store.database import Database, OperationalError
from app.store.disk import DatabaseUnwritable
from app.store.errors import DatabaseBusy, StorageFull

ALIVE = ["/healthz", "/v2/health/live"]


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(home=home))
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app(scope | {"state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://traind") as client:
            yield client


async def problem_after_a_while(
    client: httpx.AsyncClient, method: str, path: str, code: str
) -> Any:
    """The answer once the keys that were read last are too old, and reading them has failed so."""
    while True:
        answer = await client.request(method, path)
        if answer.status_code >= 500 and answer.json()["code"] == code:
            return answer
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageFull(), 507, "storage_full"),
        (DatabaseBusy(), 503, "database_busy"),
        (DatabaseUnwritable("its disk is read-only"), 503, "database_unwritable"),
        (OperationalError("x", {}, Exception("secret")), 503, "database_unavailable"),
    ],
)
def test_a_database_that_fails_at_the_gate_is_a_problem_and_the_service_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    async def play() -> None:
        async with running(tmp_path) as client:
            assert (await client.get("/presets")).status_code == 200
            with monkeypatch.context() as patch:
                patch.setattr(Database, "stamp", fail)
                patch.setattr(auth, "STALE_SECONDS", 0.3)
                # /presets and /predict need no database themselves: the gate refuses them.
                for method, path in (("GET", "/presets"), ("POST", "/predict")):
                    answer = await problem_after_a_while(client, method, path, code)
                    assert answer.status_code == status
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert "secret" not in answer.text
                for path in ALIVE:
                    assert (await client.get(path)).status_code == 200
            while (await client.get("/presets")).status_code != 200:  # it has come back
                await asyncio.sleep(0.01)

    asyncio.run(play())


def test_a_database_that_hangs_holds_up_no_liveness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    hung = threading.Event()
    on_the_loop = []

    def hang(*_: object) -> int:
        on_the_loop.append(threading.current_thread() is threading.main_thread())
        hung.set()
        released.wait(60)
        return 0

    async def play() -> None:
        async with running(tmp_path) as client:
            with monkeypatch.context() as patch:
                patch.setattr(Database, "stamp", hang)
                patch.setattr(auth, "STALE_SECONDS", 0.3)
                await asyncio.to_thread(hung.wait, 30)
                for path in ALIVE:
                    assert (await client.get(path)).status_code == 200
                await problem_after_a_while(client, "GET", "/presets", "database_busy")
                released.set()
        assert not any(on_the_loop), "the event loop itself waited for the database"

    asyncio.run(play())
