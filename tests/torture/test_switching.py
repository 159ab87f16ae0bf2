"""Promotions and rollbacks under load: no request fails, none is answered by two models."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from tests.service.conftest import Api, band, serving

CONNECTIONS = 64
SECONDS = 60
SEEN_WITHIN = 1.0
"""Seconds until every process answers by the promoted model."""
BODIES = [json.dumps({"inputs": [band(number)]}).encode() for number in range(10)]
RAW = [bytes(pixel for row in band(number) for pixel in row) for number in range(10)]
HEADERS = {"Content-Type": "application/json"}
RAW_HEADERS = {"Content-Type": "application/octet-stream"}


@dataclass
class Load:
    """What 64 clients have sent and heard."""

    shifts: dict[str, int]
    """Of each model: it says of band b that it is class b + shift."""
    promoted: list[tuple[float, str]] = field(default_factory=list)
    """When a promotion was acknowledged, and of which model."""
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, number: int, began: float, status: int, answer: Any) -> None:
        """Model, label and promotions must agree."""
        if status != 200:
            self.wrong.append(f"{status} {answer}")
            return
        model, said = answer["model"], answer["predictions"][0]["index"]
        if said != (number + self.shifts[model]) % 10:
            self.wrong.append(f"{model} said {said} of band {number}")
        before = [target for at, target in self.promoted if at < began]
        after = [target for at, target in self.promoted if at >= began]
        if before and model not in {before[-1], *after, self.coming}:
            self.wrong.append(f"{model} answered after {before[-1]} was promoted")
        self.answers[model] += 1

    coming: str = ""
    """The model of the promotion that is under way, or was last."""


async def _ask(
    session: aiohttp.ClientSession, load: Load, chance: random.Random, end: float
) -> None:
    while time.monotonic() < end:
        number, began = chance.randrange(10), time.monotonic()
        raw = chance.random() < 0.5
        body, headers = (RAW[number], RAW_HEADERS) if raw else (BODIES[number], HEADERS)
        async with session.post("/predict", data=body, headers=headers) as answer:
            load.check(number, began, answer.status, await answer.json(content_type=None))


async def _switch(
    session: aiohttp.ClientSession, load: Load, models: list[str], end: float
) -> None:
    current = 0
    while time.monotonic() < end:
        current = 1 - current
        load.coming = models[current]
        if len(load.promoted) % 3 == 2:
            request = session.post("/models/aliases/production/rollback")
        else:
            request = session.put("/models/aliases/production", json={"model": models[current]})
        async with request as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["model"] == models[current]
        load.promoted.append((time.monotonic(), models[current]))
        await asyncio.sleep(0.05)


async def _under_load(api: Api, load: Load, models: list[str], seconds: float, seed: int) -> None:
    end = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(api.service.url, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_switch(session, load, models, end))
        for number in range(CONNECTIONS):
            group.create_task(_ask(session, load, random.Random(seed + number), end))


def test_switching_under_load_loses_and_mixes_nothing(
    tmp_path: Path,
    seed: int,
    repeated: Callable[[int], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path) as api:
        models = [api.publish(0), api.publish(3)]
        api.http.put("/models/aliases/production", json={"model": models[0]})
        load = Load(dict(zip(models, (0, 3), strict=True)))
        asyncio.run(_under_load(api, load, models, repeated(SECONDS), seed))
        metrics = api.http.get("/metrics").text
    with capsys.disabled():
        print(f"\n{sum(load.answers.values())} answers, {len(load.promoted)} switches, seed {seed}")
    assert not load.wrong, (len(load.wrong), load.wrong[:5])
    assert min(load.answers[model] for model in models) > 100
    batches = float(metrics.split("traind_predict_batch_images_count ")[1].split("\n")[0])
    assert batches < sum(load.answers.values()), "nothing was answered as one batch"


def test_every_process_sees_a_promotion_within_a_second(tmp_path: Path) -> None:
    with serving(tmp_path) as first, serving(tmp_path) as second:
        models = [first.publish(0), first.publish(3)]
        for model in [*models, *models]:
            first.http.put("/models/aliases/production", json={"model": model})
            began = time.monotonic()
            while _answering(second.http) != model:
                assert time.monotonic() - began < SEEN_WITHIN


def _answering(http: httpx.Client) -> str:
    answer = http.post("/predict", content=RAW[0], headers=RAW_HEADERS)
    return str(answer.json()["model"])
