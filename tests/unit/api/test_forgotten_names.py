"""What a request has changed counts from the next one on, before the database tells of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.store.database import Database
from tests.service.conftest import band
from tests.unit.api.test_gate import running
from tests.unit.api.test_predict_apart import publish


def test_a_model_that_was_deleted_answers_no_more_and_a_promoted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "stamp", lambda _: 1)  # nothing is heard

    async def play() -> None:
        async with running(tmp_path) as client:
            for _ in range(2):
                assert (await client.post("/jobs", json={})).status_code == 201
                publish(tmp_path)
            listed = (await client.get("/models")).json()["data"]
            new, old = (each["id"] for each in listed)

            async def asked(**fields: Any) -> Any:
                return await client.post("/predict", json={"inputs": [band(0)], **fields})

            assert (await asked(model=old)).status_code == 200
            assert (await asked()).json()["model"] == new
            promoted = await client.put("/models/aliases/production", json={"model": old})
            assert promoted.status_code in (200, 201), promoted.text
            assert (await asked()).json()["model"] == old
            assert (await client.delete("/models/aliases/production")).status_code == 204
            assert (await asked()).json()["model"] == new
            assert (await asked(model=old)).status_code == 200
            assert (await client.delete(f"/models/{old}")).status_code == 204
            assert (await asked(model=old)).status_code == 404

    asyncio.run(play())
