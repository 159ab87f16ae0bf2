"""From a stored model to an answer, with ONNX Runtime and without torch."""
