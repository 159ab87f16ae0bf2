"""A service that was begun on SQLite goes on upon PostgreSQL."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.error_lines import told
from app.client import Client
from app.local import running
from app.settings import Settings
from tests.calibrated import calibrated
from tests.postgresql import Server
from tests.service.test_main_job import digest
from tests.waiting import ended, started, until

SPEC = {
    "dataset": {"name": "digits"},
    "training": {"epochs": 40, "batch_size": 16},
}
PICTURE = [[float(row * column % 17) for column in range(8)] for row in range(8)]


def migrate(source: object, target: object, *options: str) -> str:
    """What the command prints; raises what it refuses."""
    command = ["migrate-database", str(source), str(target), *options]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_service_goes_on_upon_postgresql(tmp_path: Path, postgresql: Server) -> None:
    url = postgresql.url(postgresql.make())
    file, settings = tmp_path / "traind.db", Settings(home=calibrated(tmp_path), port=0)
    with running(settings) as service, Client(service.url) as client:
        whole = ended(client, client.submit(SPEC))
        paused = started(client, client.submit(SPEC))
        client.pause(paused["id"])
        until(lambda: client.job(paused["id"])["status"] == "paused")
        client.promote(whole["model"], "production")
        before = client.predict(PICTURE)
        with pytest.raises(Exception, match="is in use") as refused:
            migrate(file, url)
        assert "\n" not in (told(refused.value) or "\n")

    printed = migrate(file, url)
    assert "2 jobs" in printed
    assert f"Next: TRAIND_DATABASE_URL={url} for every process" in printed

    on_server = settings.model_copy(update={"database_url": url})
    with running(on_server) as service, Client(service.url) as client:
        assert client.predict(PICTURE) == before
        client.resume(paused["id"])
        resumed = ended(client, paused)
        assert resumed["status"] == "succeeded", resumed
        assert digest(client, resumed) == digest(client, whole)
        assert any(message.kind == "resumed" for message in client.watch(paused["id"]))
        assert [each["name"] for each in client.aliases()] == ["latest", "production"]
        assert len(client.jobs()) == 2
