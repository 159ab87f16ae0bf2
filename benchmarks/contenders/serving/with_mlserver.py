"""MLServer with adaptive batching: a runtime of its own and the settings that it reads."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Classifier(MLModel):
    """The Open Inference Protocol's `pixels` in, `probabilities` out."""

    async def load(self) -> bool:
        """Loads the graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """A batch is one run of the graph."""
        pixels = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        (probabilities,) = self.session.run(None, {"pixels": pixels.reshape(-1, 1, 28, 28)})
        output = NumpyCodec.encode_output("probabilities", probabilities)
        return InferenceResponse(model_name=self.name, outputs=[output])


def write_settings(folder: Path, port: int) -> None:
    """What `mlserver start folder` reads: no worker pool (slower for so small a model), batches."""
    server = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "access_log": False,
    }
    model = {
        "name": "classifier",
        "implementation": "with_mlserver.Classifier",
        "max_batch_size": 64,
        "max_batch_time": 0.001,
    }
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))


if __name__ == "__main__":
    import sys

    write_settings(Path(sys.argv[1]), int(os.environ["PORT"]))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.execv(  # noqa: S606
        str(Path(sys.executable).with_name("mlserver")), ["mlserver", "start", sys.argv[1]]
    )
