"""One network, each server that has it, and what a client measures of them."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from app.jobspec import JobSpec
from benchmarks.serving import network, servers
from benchmarks.serving.forms import BYTES, JSON, MANY, OURS, PIXELS, RAW, V2_NUMBERS, Form

HERE = Path(__file__).parents[1]
CONTENDERS = HERE / "contenders" / "serving"
PEERS = HERE.parent / ".venv-peers"
MANY_CONNECTIONS = 8
"""Connections over which large requests are asked."""


class Benchmark:
    """One network, and every server that has it."""

    def __init__(self, folder: Path, seconds: float, spec: JobSpec) -> None:
        self._seconds = seconds
        self._folder = folder
        self._model = folder / "model.onnx"
        network.save(self._model, spec)
        self._home = folder / "home"
        network.publish(self._home, [self._model.read_bytes()])
        session = onnxruntime.InferenceSession(self._model.read_bytes())
        images = PIXELS.reshape(-1, 1, 28, 28).astype(np.float32)
        (self._expected,) = session.run(None, {"pixels": images})

    def contenders(self) -> list[str]:
        """Every row of the table."""
        ours = [f"**traind, {form}**" for form in OURS]
        return [*ours, "naive FastAPI", "LitServe", "MLServer", "BentoML", "uvicorn alone"]

    def measure(self, name: str, connections: Sequence[int]) -> dict[str, Any] | None:
        """Rates and latencies of one server by connections; None if it is not installed.

        `many` is that of requests of many images each, where one connection is among them.
        """
        started: AbstractContextManager[str]
        if name.startswith("**traind"):
            form = OURS[name.strip("*").partition(", ")[2]]
            started = self._ours()
        elif name in {"naive FastAPI", "uvicorn alone"}:
            form = JSON if name == "naive FastAPI" else RAW
            script = "naive_fastapi.py" if name == "naive FastAPI" else "floor.py"
            started = self._started(script)
        else:
            python = PEERS / name.lower() / "bin" / "python"
            if not python.exists():
                return None
            form = V2_NUMBERS if name == "MLServer" else JSON
            arguments = [str(self._folder)] if name == "MLServer" else []
            started = self._started(f"with_{name.lower()}.py", *arguments, python=python)
        with started as url:
            found = {str(c): self._ask(url, form, c, many=False) for c in connections}
            if name != "uvicorn alone" and 1 in connections:
                self._check(found["1"].pop("answer"))
                found["many"] = self._ask(url, form, MANY_CONNECTIONS, many=True)
        return found

    def forward(self) -> float:
        """Images a second of the forward pass alone, 64 at once, on the servers' core."""
        code = (
            "import sys,time,numpy as n,onnxruntime as o;s=o.SessionOptions();"
            "s.intra_op_num_threads=1;s=o.InferenceSession(sys.argv[1],s);"
            f"x=n.full(({MANY},1,28,28),7,n.float32);r=lambda:s.run(None,{{'pixels':x}});"
            "[r() for _ in range(100)];t=time.perf_counter();n=0\n"
            "while time.perf_counter()<t+1:r();n+=1\n"
            f"print({MANY}*n/(time.perf_counter()-t))"
        )
        command = [sys.executable, "-c", code, str(self._model)]
        with servers.on_core(0):
            return statistics.median(float(subprocess.check_output(command)) for _ in range(3))

    def with_wrk(self) -> str:
        """The same ratio by wrk, where this machine has it: it asks again sooner, one by one."""
        if shutil.which("wrk") is None:
            return ""
        script = self._folder / "raw.lua"
        escaped = "".join(f"\\{byte}" for byte in PIXELS[0])
        script.write_text(
            f'wrk.method="POST" wrk.headers["Content-Type"]="{BYTES}" wrk.body="{escaped}"'
        )
        rates: dict[str, list[float]] = {"ours": [], "uvicorn alone": []}
        for _ in range(3):
            with self._ours() as url:
                rates["ours"].append(self._wrk(url, script))
            with self._started("floor.py") as url:
                rates["uvicorn alone"].append(self._wrk(url, script))
        ours, floor = (statistics.median(each) for each in rates.values())
        return (
            f"\nBy wrk, raw bytes at 64 connections: {ours:,.0f} requests a second, "
            f"{ours / floor:.0%} of uvicorn alone ({floor:,.0f}).\n"
        )

    @contextmanager
    def _ours(self) -> Iterator[str]:
        with servers.traind(self._home) as service:
            yield service.url

    def _started(
        self, script: str, *arguments: str, python: Path = Path(sys.executable)
    ) -> AbstractContextManager[str]:
        return servers.process(python, CONTENDERS / script, self._model, *arguments)

    def _wrk(self, url: str, script: Path) -> float:
        command = ["wrk", "-t1", "-c64", f"-d{self._seconds:.0f}s", "-s", str(script)]
        told = subprocess.check_output([*command, f"{url}/predict"], text=True)
        assert "Non-2xx" not in told, told
        return float(told.partition("Requests/sec:")[2].split()[0])

    def _ask(self, url: str, form: Form, connections: int, *, many: bool) -> dict[str, Any]:
        body = form.body(PIXELS if many else PIXELS[:1])
        answered = subprocess.run(
            [
                sys.executable,
                *("-m", "benchmarks.load_client", f"{url}{form.path}"),
                *(str(connections), str(self._seconds), form.kind, *form.headers(body)),
            ],
            input=body,
            capture_output=True,
            check=True,
            timeout=self._seconds + 30,
        )
        found: dict[str, Any] = json.loads(answered.stdout)
        assert found["errors"] == 0, found
        if connections != 1:
            del found["answer"]
        return found

    def _check(self, answer: str) -> None:
        """Every server must have said the same of the first image."""
        try:
            said = json.loads(answer[: answer.rindex("}") + 1] if "}" in answer else answer)
        except (json.JSONDecodeError, ValueError):
            return  # binary: compared in the tests
        if isinstance(said, list):
            probabilities = said[0]
        elif "outputs" in said:
            probabilities = said["outputs"][0].get("data", self._expected[0])
        else:
            probabilities = said["predictions"][0]["probabilities"]
        np.testing.assert_allclose(probabilities, self._expected[0], atol=1e-4)
