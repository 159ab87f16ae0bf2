"""What the server from which runs are forked sets before it loads torch."""

import os
import subprocess
import sys

import pytest

from worker.engines.local import PRELOAD


@pytest.mark.parametrize(
    ("chosen", "spins"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
)
def test_threads_wait_as_the_operator_has_chosen(chosen: dict[str, str], spins: str) -> None:
    told = "import os, worker.cold; print(os.environ.get('GOMP_SPINCOUNT'))"
    ours = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    done = subprocess.run(
        [sys.executable, "-P", "-c", told], env=ours | chosen, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode().strip() == spins


def test_it_is_loaded_before_torch() -> None:
    assert PRELOAD[0] == "worker.cold"
