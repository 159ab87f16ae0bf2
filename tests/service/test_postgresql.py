"""The whole service on PostgreSQL, whose server is killed in the middle of a job."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client import Client
from app.local import Service, running
from app.settings import Settings
from tests import waiting
from tests.postgresql import Server, started

LONG = {"dataset": {"name": "digits"}, "training": {"epochs": 100, "batch_size": 16}}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that may be killed."""
    yield from started()


@pytest.fixture(scope="module")
def service(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, port=0, database_url=server.url(server.make()))
    with running(settings) as service:
        yield service
    assert not (home / "traind.db").exists()


def test_it_trains_and_serves(client: Client, tmp_path: Path) -> None:
    job = waiting.ended(client, client.submit({"preset": "digits", "labels": {"a": "b"}}))
    assert job["status"] == "succeeded"
    assert [each["id"] for each in client.jobs(label="a:b")] == [job["id"]]
    assert client.predict([[0] * 64])[0]["label"]
    client.promote(job["model"], "production")
    assert client.aliases()[0]["name"] == "latest"
    (tmp_path / "rows.csv").write_text(
        "a,class\n" + "".join(f"{n % 7},{n % 2}\n" for n in range(90))
    )
    assert client.datasets.add("rows", tmp_path / "rows.csv")["status"] == "ready"


def test_nothing_is_lost_where_the_server_is_killed(client: Client, server: Server) -> None:
    job = waiting.started(client, client.submit(LONG))
    server.kill()
    server.start()
    ended = waiting.ended(client, job)
    assert ended["status"] == "succeeded"
    again = waiting.ended(client, client.submit(LONG))
    weights = [client.model(each["model"])["weights_sha256"] for each in (ended, again)]
    assert weights[0] == weights[1]
    assert [message.kind for message in client.watch(job["id"])][-1] == "state"
