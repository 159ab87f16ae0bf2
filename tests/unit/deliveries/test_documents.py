"""docs/webhooks.md: its file is read, and its receiver accepts what the service sends."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app import destinations
from tests.unit.deliveries.test_webhooks import DELIVERY
from worker.deliveries import webhooks

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def allowed(tmp_path: Path) -> dict[str, destinations.Destination]:
    file = tmp_path / "webhooks.toml"
    file.write_text(block("toml"))
    return destinations.read(file)


def test_the_receiver_takes_an_event_once_and_nothing_that_was_changed(
    allowed: dict[str, destinations.Destination], capsys: pytest.CaptureFixture[str]
) -> None:
    page: dict[str, Any] = {}
    exec(block("python"), page)  # noqa: S102 (the code of our own page)
    body = webhooks.event(DELIVERY, "")
    headers = webhooks.headers(allowed["ci"], DELIVERY, body)
    assert page["receive"](headers, body.replace(b"succeeded", b"cancelled")) == 401
    assert page["receive"](webhooks.headers(allowed["chat"], DELIVERY, body), body) == 401
    assert page["receive"](headers, body) == 204
    assert page["receive"](headers, body) == 204
    assert capsys.readouterr().out == "job.succeeded job_1\n"


def test_the_event_has_the_fields_that_are_shown() -> None:
    shown = next(
        json.loads(each)
        for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
        if '"links"' in each
    )
    sent = json.loads(webhooks.event(DELIVERY, "https://traind.example.org"))
    assert set(sent) == set(shown)
    assert set(sent["data"]["links"]) == set(shown["data"]["links"])
    assert set(sent["data"]["job"]) == set(shown["data"]["job"])
