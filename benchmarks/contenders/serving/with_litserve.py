"""LitServe with batching and its fast queue."""

import os
from typing import Any

import litserve
import numpy as np
import onnxruntime


class Classifier(litserve.LitAPI):
    """JSON in and out; a batch is one run of the graph."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's own signature)
        """Loads the graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def decode_request(self, request: dict[str, Any]) -> np.ndarray[Any, Any]:
        """The pixels of a request, (n, 1, 28, 28)."""
        return np.array(request["inputs"], np.float32).reshape(-1, 1, 28, 28)

    def batch(self, inputs: list[np.ndarray[Any, Any]]) -> Any:
        """Requests may bring several images: their counts part the answers again."""
        return np.concatenate(inputs), [len(each) for each in inputs]

    def predict(self, x: Any) -> Any:
        """Probabilities."""
        pixels, counts = x
        (probabilities,) = self.session.run(None, {"pixels": pixels})
        return np.split(probabilities, np.cumsum(counts)[:-1])

    def unbatch(self, output: Any) -> Any:
        """One part a request."""
        return output

    def encode_response(self, output: np.ndarray[Any, Any]) -> dict[str, Any]:
        """As ours."""
        return {
            "predictions": [
                {"label": str(int(row.argmax())), "probabilities": row.tolist()} for row in output
            ]
        }


if __name__ == "__main__":
    api = Classifier(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(port=int(os.environ["PORT"]), log_level="warning", generate_client_file=False)
