"""The supervisor writes to the database and forks: torch and what reads own data load elsewhere."""

import subprocess
import sys

import pytest


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
def test_the_supervisor_does_not_load(library: str) -> None:
    modules = "worker.supervisor, worker.imports.messages, worker.engines.ray.engine"
    ask = f"import sys, {modules}; print({library!r} in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
