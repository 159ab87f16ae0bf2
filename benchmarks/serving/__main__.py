"""Predictions a second beside other servers, and what loaded models weigh.

    python -m benchmarks.serving [--rounds 3] [--seconds 2] [--write]

Every server has the same network (784-500-10, ReLU) and the first core for all its processes; the
same client has the second. Each is started, measured and stopped, round after round; figures are
medians. Peers live in environments of their own under .venv-peers, made by `make bench-peers`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks import readme
from benchmarks.machine import describe
from benchmarks.serving import loaded_models, network, servers
from benchmarks.serving.forms import BYTES, JSON, MANY, OURS, PIXELS, RAW, V2_NUMBERS, Form

HERE = Path(__file__).parents[1]
CONTENDERS = HERE / "contenders" / "serving"
PEERS = HERE.parent / ".venv-peers"
CONNECTIONS = (1, 8, 64)
MANY_CONNECTIONS = 8
"""Connections over which large requests are asked."""


def main() -> None:
    arguments = _arguments()
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(Path(folder), arguments.seconds)
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in benchmark.contenders()}
        for _ in range(arguments.rounds):
            for name, measured in results.items():
                found = benchmark.measure(name)
                if found is None:
                    print(f"{name}: not installed (make bench-peers)", file=sys.stderr)
                    continue
                measured.append(found)
                print(name, json.dumps(found), file=sys.stderr, flush=True)
        table = _table({name: each for name, each in results.items() if each}, benchmark.forward())
        table += benchmark.with_wrk()
        table += loaded_models.table(Path(folder) / "many")
    heading = describe("onnxruntime", "uvicorn", "fastapi", "torch")
    text = f"{heading}, medians of {arguments.rounds} rounds:\n\n{table}"
    print(text)
    if arguments.write:
        readme.write("serving", text)


class Benchmark:
    """One network, and every server that has it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._seconds = seconds
        self._folder = folder
        self._model = folder / "model.onnx"
        network.save(self._model)
        self._home = folder / "home"
        network.publish(self._home, [self._model.read_bytes()])
        session = onnxruntime.InferenceSession(self._model.read_bytes())
        images = PIXELS.reshape(-1, 1, 28, 28).astype(np.float32)
        (self._expected,) = session.run(None, {"pixels": images})

    def contenders(self) -> list[str]:
        """Every row of the table."""
        ours = [f"**traind, {form}**" for form in OURS]
        return [*ours, "naive FastAPI", "LitServe", "MLServer", "BentoML", "uvicorn alone"]

    def measure(self, name: str) -> dict[str, Any] | None:
        """Rates and latencies of one server; None if it is not installed."""
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
            found = {str(c): self._ask(url, form, c, many=False) for c in CONNECTIONS}
            if name != "uvicorn alone":
                self._check(found["1"].pop("answer"))
                found["many"] = self._ask(url, form, MANY_CONNECTIONS, many=True)
        return found

    def forward(self) -> float:
        """Images a second of the forward pass alone, 64 at once, on the servers' core."""
        code = (
            "import sys,time,numpy as n,onnxruntime as o;s=o.SessionOptions();"
            "s.intra_op_num_threads=1;s=o.InferenceSession(sys.argv[1],s);"
            f"x=n.full(({MANY},1,28,28),7,n.float32);r=lambda:s.run(None,{{'pixels':x}});"
            "[r() for _ in range(500)];t=time.perf_counter();[r() for _ in range(3000)];"
            f"print({MANY}*3000/(time.perf_counter()-t))"
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


def _table(results: dict[str, list[dict[str, Any]]], forward: float) -> str:
    heads = [f"{c} connection{'s' if c > 1 else ''}" for c in CONNECTIONS]
    rows = [
        f"| requests a second (p50 / p99 in ms) | {' | '.join(heads)} | 64 images a request |",
        "|---" * (len(heads) + 2) + "|",
    ]
    naive = _median(results["naive FastAPI"], "64", "rate")
    for name, measured in results.items():
        cells = []
        for connections in map(str, CONNECTIONS):
            rate, p50, p99 = (_median(measured, connections, k) for k in ("rate", "p50", "p99"))
            cells.append(f"{rate:,.0f} ({p50:.2f} / {p99:.2f})")
        if "many" in measured[0]:
            images = MANY * _median(measured, "many", "rate")
            cells.append(f"{images:,.0f} images a second ({images / forward:.0%} of forward)")
        else:
            cells.append("")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    floor = _median(results["uvicorn alone"], "64", "rate")
    json_rate, raw_rate = (
        _median(results[f"**traind, {f}**"], "64", "rate") for f in ("JSON", "raw")
    )
    rows.append("")
    rows.append(
        f"The forward pass alone, 64 images at once: {forward:,.0f} images a second. At 64 "
        f"connections JSON is {json_rate / naive:.1f} times naive FastAPI, raw bytes "
        f"{raw_rate / floor:.0%} of uvicorn alone."
    )
    return "\n".join(rows) + "\n"


def _median(measured: list[dict[str, Any]], load: str, what: str) -> float:
    return statistics.median(each[load][what] for each in measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
