"""What only some users need costs the others nothing: it is neither installed nor loaded."""

import subprocess
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

OPTIONS = {
    "psycopg": "postgres",
    "obstore": "s3",
    "ray": "ray",
    "mlflow-skinny": "mlflow",
    "mcp": "mcp",
}
"""Distributions, and the extras that bring them."""
MODULES = ("psycopg", "obstore", "ray", "mlflow", "mcp")


def needed(extra: str) -> set[str]:
    """What the extra brings by itself, and by the extras of traind that it names."""
    found: set[str] = set()
    for line in requires("traind") or []:
        required = Requirement(line)
        if required.marker is not None and required.marker.evaluate({"extra": extra}):
            own = required.name == "traind"
            found |= set().union(*map(needed, required.extras)) if own else {required.name}
    return found


@pytest.mark.parametrize("extra", ["api", "worker", "cli"])
def test_what_make_demo_installs_brings_no_option(extra: str) -> None:
    assert len(needed(extra)) > 5
    assert needed(extra) & OPTIONS.keys() == set()
    assert all(name in needed(option) for name, option in OPTIONS.items())


STARTED = """
import sys, tempfile
from starlette.testclient import TestClient
from app.main import create_app
from app.settings import Settings

with tempfile.TemporaryDirectory() as home:
    with TestClient(create_app(Settings(home=home)), base_url="http://localhost") as client:
        assert client.get("/jobs").status_code == 200
print(*sys.modules)
"""


def test_an_api_without_options_loads_none() -> None:
    loaded = subprocess.check_output([sys.executable, "-P", "-c", STARTED], text=True).split()
    assert "app.main" in loaded
    assert [each for each in MODULES if each in loaded] == []
