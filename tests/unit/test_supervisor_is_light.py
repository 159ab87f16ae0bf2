"""The supervisor writes to the database and forks: torch and what reads own data load elsewhere."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that it loads."""
    modules = "worker.supervisor, worker.imports.messages, worker.engines.ray.engine"
    ask = f"import sys, {modules}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, check=True
    )
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    "library",
    [
        "torch",
        "duckdb",
        "imagehash",
        "PIL",
        "httpx",
        "standardwebhooks",
        "mlflow",
        "obstore",
        "ray",
    ],
)
def test_the_supervisor_does_not_load(loaded: set[str], library: str) -> None:
    assert "worker.supervisor" in loaded
    assert library not in loaded
