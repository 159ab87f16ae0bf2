"""An import is a process that starts soon: it loads neither torch nor what comes with it."""

import subprocess
import sys


def test_an_import_loads_no_network() -> None:
    heavy = {"torch", "torchvision", "sklearn", "scipy", "sqlalchemy", "onnx"}
    ask = f"import sys, worker.imports.__main__; print({heavy!r} & {{*sys.modules}})"
    answer = subprocess.run(
        [sys.executable, "-P", "-c", ask], stdout=subprocess.PIPE, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"
