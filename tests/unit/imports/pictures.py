"""Synthetic pictures in every container, and the import process that reads them."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pytest
from PIL import Image

from app.jobspec.import_options import ImportOptions
from worker.imports import importing
from worker.imports.messages import Import, Imported, LastWord, decode
from worker.imports.refusals import Refusal
from worker.training.dataset import ARRAYS, VALIDATION_ARRAYS, Array, Description

Files = dict[str, bytes]


class Done(NamedTuple):
    """How an import process has ended."""

    code: int
    last: LastWord | None
    errors: str

    @property
    def facts(self) -> dict[str, Any]:
        assert isinstance(self.last, Imported), self
        return self.last.facts

    @property
    def report(self) -> dict[str, Any]:
        assert isinstance(self.last, Imported), self
        return self.last.report

    @property
    def refusal(self) -> str:
        assert self.last is not None, self.errors
        assert not isinstance(self.last, Imported), self.last
        return self.last.code


def picture(number: int, hue: int, side: int = 16) -> Image.Image:
    """A noisy picture of one of several hues; each number gives another."""
    chance = np.random.default_rng([number, hue])
    middle = np.roll([220, 90, 40], hue)
    return Image.fromarray(chance.normal(middle, 30, (side, side, 3)).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def of_classes(*names: str, each: int = 10, side: int = 16) -> Files:
    """`class/number.png` for each class."""
    return {
        f"{name}/{number}.png": encoded(picture(number, hue, side))
        for hue, name in enumerate(names)
        for number in range(each)
    }


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def as_parquet(path: Path, files: Mapping[str, bytes], *, numbers: bool = True) -> Path:
    """A column of {bytes, path}; the label as a number whose name stands in the metadata."""
    names = sorted({name.split("/")[0] for name in files})
    about = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    with duckdb.connect() as table:
        kind = "INT" if numbers else "VARCHAR"
        table.execute(f"CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR), label {kind})")
        for name, content in files.items():
            label = name.split("/")[0]
            value = names.index(label) if numbers else label
            row = [content, name, value]
            table.execute("INSERT INTO t VALUES ({'bytes': ?, 'path': ?}, ?)", row)
        table.execute(
            f"COPY t TO '{path}' (FORMAT parquet, KV_METADATA {{huggingface: $about}})",
            {"about": json.dumps(about)},
        )
    return path


def pixels_of(content: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(content)))


@dataclass
class Loaded:
    """The arrays of a dataset, and what describes them."""

    description: Description
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    validation_images: Array
    validation_labels: Array


def loaded(target: Path) -> Loaded:
    """What an import has made; a part that it has not is empty."""
    description = msgspec.json.decode((target / "dataset.json").read_bytes(), type=Description)
    arrays = {}
    for name in (*ARRAYS, *VALIDATION_ARRAYS):
        file = target / f"{name}.npy"
        arrays[name] = np.load(file) if file.exists() else np.empty(0, np.uint8)
    whole = sha256(b"".join(arrays[name].tobytes() for name in (*ARRAYS, *VALIDATION_ARRAYS)))
    assert description.sha256 == whole.hexdigest()
    return Loaded(description, **arrays)


def started(source: Path, target: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """The process, with its order given."""
    memory = options.pop("memory_mb", None)
    order = Import(
        source=str(source),
        target=str(target),
        name="pets",
        file_name=source.name,
        kind="image",
        options=ImportOptions.model_validate_json(json.dumps(options)).model_dump(mode="json"),
        memory_mb=memory,
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "worker.imports"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order))
    process.stdin.close()
    process.stdin = None
    return process


def imported(source: Path, target: Path, **options: Any) -> Done:
    """Runs an import to its end."""
    process = started(source, target, **options)
    output, errors = process.communicate()
    lines = output.splitlines()
    last = decode(lines[-1]) if lines else None
    assert last is None or not hasattr(last, "done"), lines[-1]
    return Done(process.returncode, last, errors.decode(errors="replace"))


def here(source: Path, target: Path, kind: str = "image", **options: Any) -> Imported:
    """Imports in this process, which is faster.

    Raises:
        Refusal: the file cannot be used.
    """
    read = ImportOptions.model_validate_json(json.dumps(options)).model_dump(mode="json")
    order = Import(str(source), str(target), "pets", source.name, kind, read)
    return importing.imported(order, lambda _: None)


def refused(source: Path, target: Path, kind: str = "image", **options: Any) -> Refusal:
    """Why an import in this process is refused."""
    with pytest.raises(Refusal) as refusal:
        here(source, target, kind, **options)
    assert not target.exists()
    assert refusal.value.advice
    return refusal.value
