"""A real MLflow server for tests.

It needs the whole of MLflow, 400 MB that nothing else here needs. So tests are skipped unless it is
installed here, or TRAIND_TEST_MLFLOW names the `mlflow` command of an environment that has it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from app import address, lifeline
from tests.waiting import until


def command() -> str:
    """The command that starts servers; the test is skipped where there is none."""
    if find_spec("mlflow") is None:
        pytest.skip("mlflow-skinny is not here: pip install 'traind[mlflow]'")
    named = os.environ.get("TRAIND_TEST_MLFLOW", "")
    if not named and find_spec("flask") is None:
        pytest.skip("no MLflow server is here: set TRAIND_TEST_MLFLOW to an `mlflow` command")
    return named or str(Path(sys.executable).with_name("mlflow"))


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of a server that keeps what it is told in the folder, up while the block runs."""
    port = port or address.free_port("127.0.0.1")
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = lifeline.Process(
            [
                *(command(), "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(folder / "artifacts"), "--workers", "1"),
            ],
            env={
                **{name: os.environ[name] for name in os.environ if name != "PYTHONPATH"},
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_up(process, url, folder / "log"))
        yield url
    finally:
        lifeline.stop([process], 10)


def _is_up(process: lifeline.Process, url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False
