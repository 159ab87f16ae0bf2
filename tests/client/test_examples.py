"""The examples, run as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from PIL import Image

from app.local import Service

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = {
    "first_job.py": r"this is a 7, .*\nproduction is model_",
    "why_it_fails.py": r"verdict: learning_rate_too_high\n[^$]*: healthy\n",
    "own_pictures.py": r"cats-and-dogs@1: \d+ pictures to train on, 2 classes\n[^$]*red.png: red",
    "shapes.py": "",
    "several_at_once.py": r"best: rate 0.01, <Model",
}
"""What each says, at the least."""


def test_every_example_is_run_and_told_of() -> None:
    programs = {file.name for file in EXAMPLES.glob("*.py")}
    assert programs == set(SAID)
    told = (EXAMPLES / "README.md").read_text()
    assert all(f"]({file.name})" in told for file in EXAMPLES.iterdir() if file.suffix != ".md")


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_as_it_is(service: Service, tmp_path: Path, name: str) -> None:
    given = {"own_pictures.py": pictures(tmp_path), "shapes.py": [tmp_path / "shapes"]}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *given.get(name, [])],
        env=os.environ | {"TRAIND_URL": service.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAID[name], done.stdout), done.stdout


def pictures(folder: Path) -> list[Path]:
    """A folder of two classes, plainly told apart, and a picture of one."""
    for label, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        of_class = folder / "Cats and Dogs" / label
        of_class.mkdir(parents=True)
        for number in range(30):
            shade = tuple(part + number for part in color)
            Image.new("RGB", (16, 16), shade).save(of_class / f"{number}.png")
    Image.new("RGB", (40, 20), (210, 40, 40)).save(folder / "red.png")
    return [folder / "Cats and Dogs", folder / "red.png"]


def test_the_notebook_runs_and_its_job_shows_itself(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAIND_URL", service.url)
    notebook = nbformat.read(EXAMPLES / "first_model.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "keep it without outputs"
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    # the interpreter of these tests, whatever kernels this machine knows
    manager = client.create_kernel_manager()
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = [
        output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})
    ]
    assert any("<polyline" in page and "succeeded" in page for page in pages)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert outputs[-2]["text"] == "0\n"
    assert "Restored" in outputs[-1]["data"]["text/plain"]
