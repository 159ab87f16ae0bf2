"""Tests against the real thing: real services, workers, databases and browsers."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests load it by themselves, too
