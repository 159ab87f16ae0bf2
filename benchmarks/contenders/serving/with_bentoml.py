"""BentoML with adaptive batching, one worker."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Classifier:
    """Arrays in, probabilities out."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=1000)
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities, (n, 10)."""
        pixels = inputs.astype(np.float32).reshape(-1, 1, 28, 28)
        (probabilities,) = self.session.run(None, {"pixels": pixels})
        return probabilities


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    os.execv(  # noqa: S606
        str(Path(sys.executable).with_name("bentoml")),
        ["bentoml", "serve", "with_bentoml:Classifier", "--port", os.environ["PORT"], "-q"],
    )
