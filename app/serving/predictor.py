"""Runs a model's graph: pixels in, probabilities out."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.serving.images import Pixels, Signature

ERROR = 3
"""ONNX Runtime's log level: its warnings are about graphs, and ours come from our own export."""


class Predictor:
    """A loaded model. Threads may share it.

    The graph takes `pixels`, float32 of shape (batch, C, H, W) in the model's own pixel range, and
    gives `probabilities` of shape (batch, classes): all scaling is inside it.
    """

    def __init__(self, model_id: str, signature: Signature, graph: bytes) -> None:
        self.model_id = model_id
        self.signature = signature
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # requests run side by side; one of them needs no pool
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # an arena keeps the largest batch's memory for ever
        options.log_severity_level = ERROR
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, inputs: list[Pixels]) -> NDArray[np.float64]:
        """A row of class probabilities for each input."""
        (answer,) = self._session.run(["probabilities"], {"pixels": np.stack(inputs)})
        return np.asarray(answer, dtype=np.float64)
