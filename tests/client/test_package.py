"""The package itself: light, and its synchronous half is the other one's."""

import subprocess
import sys
from pathlib import Path

from app.local import Service
from scripts import sync_client

LIGHT = """
import sys
from importlib.machinery import PathFinder

INSTALLED = {distributions}


class Others:
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        found = None if first in INSTALLED else PathFinder.find_spec(first)
        if found is not None and "site-packages" in (found.origin or ""):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Others())
"""
INSTALLED = {
    *("traind", "app"),
    *("httpx", "httpcore", "h11", "anyio", "idna", "certifi", "httpx_sse", "sniffio"),
    *("pydantic", "pydantic_core", "typing_extensions", "annotated_types", "typing_inspection"),
}
"""What `pip install 'traind[client]'` brings."""
WAY = """
from pathlib import Path
from traind import Client

folder = Path(sys.argv[2])
(folder / "rows.csv").write_text("a,class\\n" + "".join(f"{n % 7},{n % 2}\\n" for n in range(100)))
with Client(sys.argv[1]) as client:
    job = client.train(preset="digits", training={"epochs": 1}).wait(progress=True)
    list(job.watch()), job.metrics()["train_loss"], job.diagnosis(), job.charts(), job.events()
    model = job.model()
    model.promote(), model.report(), client.aliases(), client.presets(), job.rates
    print(model.predict([[0] * 64])[0].label)
    print(client.datasets.add(folder / "rows.csv", "light").facts.classes)
    try:
        model.to_torch()
    except ImportError as error:
        print(error)
"""


def test_the_synchronous_client_is_the_asynchronous_one() -> None:
    for file, text in sync_client.made().items():
        assert file.read_text() == text, "run `make client`"


def test_it_needs_neither_the_service_nor_torch(service: Service, tmp_path: Path) -> None:
    program = LIGHT.format(distributions=sorted(INSTALLED)) + WAY
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, service.url, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, classes, missing = done.stdout.splitlines()
    assert label.isdigit()
    assert classes == "2"
    assert "pip install 'traind[torch]'" in missing
    assert "succeeded" in done.stderr


def test_importing_it_takes_httpx_and_no_answer() -> None:
    program = "import sys, traind; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - sys.stdlib_module_names
    assert {"traind", "httpx"} <= loaded
    assert not loaded & {"pydantic", "numpy", "torch", "sqlalchemy", "fastapi", "msgspec", "pandas"}


def test_the_command_says_what_it_lacks() -> None:
    program = LIGHT.format(distributions=sorted(INSTALLED)) + "from app.cli import main"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "traind: No module named 'typer': pip install 'traind[cli]'\n"
