"""From real pictures in five containers to served models: equal arrays and weights, and how long.

The pictures are those of `emoji-32.zip` (1,906 PNG with transparency in nine unequal classes, with
a test part of their own; chance is about 20%). Each container goes through `client.datasets.add` of
a real service and is trained on with the preset `images`.

    python -m benchmarks.own_pictures FOLDER_OF_THE_ZIP
"""

import argparse
import csv
import io
import json
import os
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
from PIL import Image

from app.client import Client
from app.images.preparation import Preparation
from app.local import running
from app.settings import Settings
from benchmarks.machine import described_when_idle

SHAPE = (3, 32, 32)
OPTIONS = {"image": {"size": 32, "color": "rgb"}}


def main() -> None:
    """Prints a line for each container."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    source = parser.parse_args().folder / "emoji-32.zip"
    if not source.exists():
        print(f"skipped: there is no {source}")
        return
    print(described_when_idle("torch", "pillow"))
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Settings(home=Path(folder), port=0)) as up,
    ):
        made = containers(source, Path(folder) / "containers")
        with Client(up.url) as client:
            for name, path in made.items():
                print(measured(client, name, path), flush=True)


def measured(client: Client, name: str, path: Path) -> str:
    """Seconds to import and to train, accuracy, and the digests."""
    at = time.monotonic()
    dataset = client.datasets.add("emoji", path, **OPTIONS)
    imported = time.monotonic() - at
    at = time.monotonic()
    job = client.submit({"preset": "images", "dataset": {"name": "emoji"}})
    while job["status"] in {"queued", "running"}:
        job = client.job(job["id"], wait=30)
    trained = time.monotonic() - at
    if job["model"] is None:
        return f"{name}: {job['status']}: {json.dumps(job['failure'])}"
    weights = client.model(job["model"])["weights_sha256"]
    return (
        f"{name}: import {imported:.1f} s, training {trained:.1f} s, test accuracy "
        f"{job['metrics']['test_accuracy']:.1%}, arrays {dataset['facts']['sha256'][:12]}, "
        f"weights {weights[:12]}"
    )


def containers(source: Path, folder: Path) -> dict[str, Path]:
    """The same pictures in five containers."""
    folder.mkdir()
    files = list(contents(source))
    made = {
        "zip": source,
        "tar.gz": folder / "emoji.tar.gz",
        "Parquet": folder / "emoji.parquet",
        "npz": folder / "emoji.npz",
        "folder with metadata.csv": folder / "emoji",
    }
    with tarfile.open(made["tar.gz"], "w:gz") as packing:
        for name, content in files:
            entry = tarfile.TarInfo(f"emoji/{name}")
            entry.size = len(content)
            packing.addfile(entry, io.BytesIO(content))
    as_table(files, made["Parquet"])
    as_arrays(files, made["npz"])
    as_folder(files, made["folder with metadata.csv"])
    return made


def contents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each picture."""
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if name.endswith(".png"):
                yield name, archive.read(name)


def as_table(files: list[tuple[str, bytes]], to: Path) -> None:
    """Parquet as on the Hub: a column of {bytes, path}, labels as numbers, their names beside."""
    classes = sorted({name.split("/")[1] for name, _ in files})
    names = {"_type": "ClassLabel", "names": classes}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": names}}}
    with duckdb.connect() as table:
        table.execute(
            "CREATE TABLE emoji (image STRUCT(bytes BLOB, path VARCHAR), label INT, split VARCHAR)"
        )
        rows = [
            (content, name, classes.index(name.split("/")[1]), name.split("/")[0])
            for name, content in files
        ]
        table.executemany("INSERT INTO emoji VALUES ({'bytes': ?, 'path': ?}, ?, ?)", rows)
        table.execute(
            f"COPY emoji TO '{to}' (FORMAT parquet, KV_METADATA {{huggingface: $about}})",
            {"about": json.dumps(about)},
        )


def as_arrays(files: list[tuple[str, bytes]], to: Path) -> None:
    """npz as Keras has it, the pictures laid on white."""
    arrays: dict[str, list[object]] = {"x_train": [], "y_train": [], "x_test": [], "y_test": []}
    for name, content in files:
        part, label, _ = name.split("/")
        pixels = Preparation().prepare(Image.open(io.BytesIO(content)), SHAPE)
        arrays[f"x_{part}"].append(pixels.transpose(1, 2, 0))
        arrays[f"y_{part}"].append(label)
    np.savez_compressed(to, **{name: np.asarray(values) for name, values in arrays.items()})


def as_folder(files: list[tuple[str, bytes]], to: Path) -> None:
    """Files with plain names, and a table that says what each is."""
    to.mkdir()
    with (to / "metadata.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["file_name", "label", "split"])
        for number, (name, content) in enumerate(files):
            part, label, _ = name.split("/")
            (to / f"{number}.png").write_bytes(content)
            table.writerow([f"{number}.png", label, part])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
