"""`traind watch` in a terminal and in a pipe, and what Ctrl-C does to the job."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.cli.exit_codes import INTERRUPTED
from app.cli.follow import follow
from app.cli.sparkline import sparkline
from app.client import Client
from app.store import events
from app.store.events import NewEvent
from tests.diagnosed import HEALTHY, diagnosis
from tests.service.commands import traind
from tests.service.conftest import Api
from tests.service.test_diagnosis_api import start, succeed

TRAIND = str(Path(sys.executable).with_name("traind"))
HEARS_CTRL_C = """
import signal
from app.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command as in a terminal, also where a shell runs these tests in the background."""


def trained(api: Api) -> str:
    """A job that has succeeded; its loss fell, and was not finite once."""
    lease = start(api)
    with api.database.write() as connection:
        for loss in (2.0, None, 1.0, 0.5):
            data = {"epoch": 1, "batch": 100, "loss": loss}
            events.append(connection, lease.job_id, [NewEvent("log", f"loss: {loss}", data)])
        events.append(connection, lease.job_id, [NewEvent("epoch", "epoch 3", {"epoch": 3})])
    succeed(api, lease, diagnosis(HEALTHY), 0.9)
    return lease.job_id


def test_a_terminal_has_a_bar_with_the_curve_of_the_loss(api: Api) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    with Client(api.service.url) as client:
        ended = follow(client, client.job(trained(api)), console)
    assert ended["status"] == "succeeded"
    told = shown.getvalue()
    assert "loss 0.500 █▃▁" in told
    assert "epoch 3/" in told
    assert "has succeeded: test accuracy 90.00%, model model_" in told
    assert "Diagnosis: healthy" in told


def test_a_pipe_has_whole_lines_and_no_bar(api: Api) -> None:
    lines = traind(api, "watch", trained(api)).splitlines()
    assert lines.count("loss: 0.5") == 1
    assert lines[-1] == "Diagnosis: healthy"
    assert not any(mark in line for line in lines for mark in "\x1b━%█▁" if "accuracy" not in line)


@pytest.mark.parametrize("command", ["watch", "submit"])
def test_ctrl_c_leaves_the_job_and_says_so(api: Api, command: str) -> None:
    job = api.submit()
    arguments = ["watch", job] if command == "watch" else ["submit", "--set", "training.epochs=1"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HEARS_CTRL_C, *arguments, "--url", api.service.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        assert process.stdout
        assert process.stderr
        if command == "submit":
            job = process.stdout.readline().strip()
        assert process.stdout.readline() == "queued\n"  # the stream is open
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().splitlines()[-1]  # before it, why the job waits
        assert process.wait() == INTERRUPTED
    assert said.startswith(f"{job} goes on: `traind watch {job}`")
    assert api.http.get(f"/jobs/{job}").json()["status"] == "queued"


def test_scripts_get_the_job_as_it_ended(api: Api) -> None:
    lease = start(api)
    process = subprocess.Popen(
        [TRAIND, "watch", lease.job_id, "--json", "--url", api.service.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        assert (first["kind"], first["data"]["message"]) == ("state", "queued")
        succeed(api, lease, diagnosis(HEALTHY), 0.9)
        *_, last = map(json.loads, process.stdout)
        assert process.wait() == 0
    assert last == {"kind": "job", "data": api.http.get(f"/jobs/{lease.job_id}").json()}
    assert last["data"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([1.0], "▁"),
        ([3.0, 3.0], "▁▁"),
        ([0.0, 7.0, 3.0], "▁█▄"),
        ([0.0, float("nan"), float("inf"), 7.0], "▁█"),
        ([0.0, 0.0, 7.0, 7.0, 3.0], "▁█▄"),
    ],
)
def test_a_curve_on_a_line(values: list[float], drawn: str) -> None:
    assert sparkline(values, 3) == drawn
