"""Every command and program of the README and of the documents to begin with, run as written."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.local import Service
from benchmarks import tables
from tests.documents.blocks import Reader, steps

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["docs/tutorial.md", "docs/python.md", "docs/operating.md", "README.md"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a reader: the repository's examples, and data of their own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "examples" / "seven.png", tmp_path / "seven.png")
    shutil.copy(ROOT / "examples" / "seven.png", tmp_path / "digit.png")
    people = [(20 + n % 50, "nurse" if n % 3 else "cook") for n in range(200)]
    lines = [f"{age},{job},{'old' if age > 45 else 'young'}\n" for age, job in people]
    (tmp_path / "people.csv").write_text("age,job,class\n" + "".join(lines))
    draw = np.random.default_rng(0)
    for label, color in (("Flags", (200, 40, 40)), ("Objects", (40, 40, 200))):
        for part, count in (("train", 40), ("test", 10)):
            (tmp_path / "emoji" / part / label).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(draw.normal(color, 30, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "emoji" / part / label / f"{number}.png")
    Image.new("RGB", (300, 200), (210, 40, 40)).save(tmp_path / "photo.jpg")
    shutil.make_archive(str(tmp_path / "emoji"), "zip", tmp_path / "emoji")
    tables.as_csv(tmp_path / "incomes.csv", tables.tables()["incomes"])
    return tmp_path


@pytest.mark.timeout(1800)  # training makes way for whatever else the machine does
@pytest.mark.parametrize(
    "document", ["docs/tutorial.md", "docs/python.md", "docs/operating.md", "README.md"]
)
def test_a_document_runs_as_written(
    service: Service, folder: Path, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAIND_URL", service.url)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TRAIND_HOME": str(service.settings.home),
        "TRAIND_DATABASE_URL": service.settings.database_url,
        "TRAIND_PORT": str(service.settings.port),
    }
    reader = Reader(service.url, folder, environment)
    assert [reader.run(step) for step in steps(ROOT / document)]
