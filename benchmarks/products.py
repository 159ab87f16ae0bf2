"""Matrix products by each library that torch has, and where bfloat16 and blocks make steps faster.

These are the measurements behind the numbers in worker/training/products.py and
app/jobspec/blocks.py. One thread on one core; half a minute.

    python -m benchmarks.products [--write]
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.benchmark import Timer

from app.jobspec import JobSpec, blocks
from benchmarks import machine, readme
from worker import calibration
from worker.training import method, products

SECONDS = 0.25
SIZES = (4, 16, 64, 512)
SHAPES: list[list[int]] = [[], [32], [128], [500], [256, 128, 64], [1000, 1000], [2000, 2000]]
ROUNDED_BATCHES = (16, 32, 64, 128, 512)
FIRST_LAYERS = (128, 500, 2000)
BLOCK_BATCHES = (1, 4, 8, 16, 32)
CPU = torch.device("cpu")


def seconds(call: Callable[[], object]) -> float:
    """The least of torch's measurements, for others use the machine."""
    timer = Timer("call()", globals={"call": call})
    return min(timer.blocked_autorange(min_run_time=SECONDS).times)


def speeds(dtype: torch.dtype, library: AbstractContextManager[None]) -> list[str]:
    """Thousands of millions of multiplications and additions a second, for images times weights
    (784-500), and for errors times images, at each batch size."""
    cells = []
    for size in SIZES:
        images = torch.randn(size, 784).to(dtype)
        weights = torch.randn(500, 784).to(dtype)
        errors = torch.randn(size, 500).to(dtype)
        forward, gradient = torch.empty_like(errors), torch.empty_like(weights)
        with library:
            found = (
                seconds(partial(torch.mm, images, weights.t(), out=forward)),
                seconds(partial(torch.mm, errors.t(), images, out=gradient)),
            )
        operations = 2 * size * 784 * 500
        cells.append(" / ".join(f"{operations / each / 1e9:.0f}" for each in found))
    return cells


def by_library() -> list[str]:
    header = ["", *(f"batch {size}" for size in SIZES)]
    rows = [
        ["float32, torch's own choice", *speeds(torch.float32, nullcontext())],
        ["bfloat16", *speeds(torch.bfloat16, nullcontext())],
    ]
    if not products.has_tiles():  # with tiles it would not be float32
        rows.insert(1, ["float32, oneDNN", *speeds(torch.float32, products.OneDNN())])
    return table(header, rows)


def in_bfloat16() -> list[str]:
    """How much faster steps are with products in bfloat16."""
    rows = []
    for hidden in SHAPES:
        cells = []
        for size in ROUNDED_BATCHES:
            spec = described(hidden, batch_size=size, precision="bfloat16")
            with forced(torch.float32):
                exact = calibration.step_seconds(spec, DATASET)
            with forced(torch.bfloat16):
                rounded = calibration.step_seconds(spec, DATASET)
            chosen = method.precision(spec, CPU) == torch.bfloat16
            cells.append(marked(exact / rounded, is_chosen=chosen))
        rows.append(["-".join(map(str, [784, *hidden, 10])), *cells])
    return table(["", *(f"batch {size}" for size in ROUNDED_BATCHES)], rows)


def in_blocks() -> list[str]:
    """How much faster blocks of mini-batches are than single steps."""
    rows = []
    for units in FIRST_LAYERS:
        for momentum in (0.9, 0.0):
            cells = []
            for size in BLOCK_BATCHES:
                rule = {"name": "sgd", "lr": 0.001, "momentum": momentum}
                spec = described([units], batch_size=size, optimizer=rule)
                length = min(blocks.LONGEST, blocks.ROWS // size)
                with patch.object(blocks, "length", lambda *_: 1):
                    single = calibration.step_seconds(spec, DATASET)
                with patch.object(blocks, "length", lambda *_, length=length: length):
                    together = calibration.step_seconds(spec, DATASET)
                cells.append(marked(single / together, is_chosen=method.block(spec, CPU) > 1))
            rows.append([f"784-{units}-10", f"{momentum:g}", *cells])
    return table(["", "momentum", *(f"batch {size}" for size in BLOCK_BATCHES)], rows)


def described(hidden: list[int], **training: Any) -> JobSpec:
    """A job in which only the steps count."""
    fields = {"model": {"hidden": hidden}, "training": training, "resources": {"threads": 1}}
    return JobSpec.model_validate(fields | {"dataset": {"limit": calibration.IMAGES}})


@contextmanager
def forced(precision: torch.dtype) -> Iterator[None]:
    """Products in this precision, step by step."""
    with (
        patch.object(method, "precision", lambda *_: precision),
        patch.object(method, "block", lambda *_: 1),
    ):
        yield


def marked(ratio: float, *, is_chosen: bool) -> str:
    """Bold where a job does it."""
    return f"**{ratio:.2f}**" if is_chosen else f"{ratio:.2f}"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


DATASET = calibration.made_up()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0})
    torch.set_num_threads(1)
    heading, before = machine.described_when_idle("torch"), machine.others()
    parts = [
        "Thousands of millions of multiplications and additions a second; images times weights "
        "(784-500) / errors times images:",
        by_library(),
        "Steps with products in bfloat16, relative to float32; bold where a job that asks for "
        "bfloat16 takes it:",
        in_bfloat16(),
        f"Blocks of {blocks.ROWS} images, at most {blocks.LONGEST} mini-batches, relative "
        "to single steps; bold where a job takes blocks:",
        in_blocks(),
    ]
    lines = [f"{heading}, {machine.since(before)}."]
    for part in parts:
        lines += ["", *([part] if isinstance(part, str) else part)]
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        readme.write("products", text)


if __name__ == "__main__":
    main()
