"""From a stored model to an answer, with ONNX Runtime and without torch."""

import os

# Before it is loaded: it would keep a number of the machine in the cache of the user, and send its
# makers names and digests of models.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
