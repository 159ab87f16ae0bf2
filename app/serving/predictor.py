"""Runs a model's graph: pixels or rows in, probabilities out."""

import time
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.serving.signature import Pixels, as_pixels

ERROR = 3
"""ONNX Runtime's log level: its warnings are about graphs, and ours come from our own export."""
TRIAL = 8
"""Images in the trial run that times a new graph."""

MAX_PIXELS = 2**20
"""Most pixels that a graph is given at once: the memory of its layers grows with them."""

Probabilities = NDArray[np.float32]
Feed = Callable[[Any], dict[str, NDArray[Any]]]
"""Makes a graph's inputs, by name, of a batch."""


class Predictor:
    """A loaded graph. Threads may share it.

    It takes `pixels` of shape (batch, C, H, W) in the model's own pixel range, or a table's rows
    (batch, columns), which `feed` makes its named inputs. It gives `probabilities`, float32 of
    shape (batch, classes): all scaling is inside it.
    """

    def __init__(
        self,
        graph: bytes,
        input_shape: tuple[int, ...],
        feed: Feed = as_pixels,
        width: int | None = None,
    ) -> None:
        """`width` is how many numbers the network sees of an input, if not as many as it gets."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # requests run side by side; one of them needs no pool
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # an arena keeps the largest batch's memory for ever
        options.log_severity_level = ERROR
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._feed = feed
        self.bytes = len(graph)
        self._most = max(1, MAX_PIXELS // (width or prod(input_shape)))
        trial = np.zeros((TRIAL, *input_shape), np.float32)
        self.probabilities(trial)  # the first run allocates
        began = time.perf_counter()
        self.probabilities(trial)
        self.seconds_per_image = (time.perf_counter() - began) / TRIAL

    def probabilities(self, pixels: Pixels) -> Probabilities:
        """A row of class probabilities for each image."""
        starts = range(0, len(pixels), self._most)
        rows = [self._run(pixels[start : start + self._most]) for start in starts]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def _run(self, pixels: Pixels) -> Probabilities:
        answer: Probabilities
        (answer,) = self._session.run(["probabilities"], self._feed(pixels))
        return answer
