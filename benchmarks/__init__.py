"""One script a claim. Each prints what it measured, and on what machine."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # for the peers as for us
