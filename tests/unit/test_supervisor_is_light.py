"""The supervisor writes to the database and forks; torch is loaded elsewhere."""

import subprocess
import sys


def test_the_supervisor_does_not_load_torch() -> None:
    ask = "import sys, worker.supervisor; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
