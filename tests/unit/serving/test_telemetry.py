"""Nothing tells the makers of a library what is done with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["app.main", "app.serving.predictor", "worker.supervisor"])
def test_no_library_keeps_or_sends_what_its_makers_want_to_know(
    tmp_path: Path, module: str
) -> None:
    """ONNX Runtime did, unless a variable said that it was tested: so without those of a runner."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    command = [sys.executable, "-P", "-c", f"import {module}"]
    subprocess.run(command, check=True, env=kept | places, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == []
