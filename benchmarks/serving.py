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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import psutil
import torch
from safetensors.torch import save_file

from app.jobspec import JobSpec
from app.local import Service
from app.settings import Settings
from app.store import database, jobs, leases, migrations
from app.store.trained_models import TrainedModel
from benchmarks import readme
from benchmarks.machine import describe
from worker.training import export, networks
from worker.training.dataset import Description

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders" / "serving"
PEERS = HERE.parent / ".venv-peers"
CONNECTIONS = (1, 8, 64)
MANY = 64
"""Images of a large request; it is asked over this many connections:"""
MANY_CONNECTIONS = 8
STARTED_WITHIN = 60.0
MEMORY = (1, 10, 50)
DESCRIPTION = Description(
    "mnist", (1, 28, 28), [str(digit) for digit in range(10)], (0, 255), 0.1307, 0.3081, ""
)
PIXELS = np.random.default_rng(0).integers(0, 256, (MANY, 784), np.uint8)


@dataclass(frozen=True)
class Form:
    """A way to ask: path, media type, and the body for some images."""

    path: str
    kind: str
    body: Callable[[Any], bytes]

    def headers(self, body: bytes) -> list[str]:
        """The protocol's binary form says where its JSON ends."""
        if self.kind == BYTES and "/v2" in self.path:
            return [f"Inference-Header-Content-Length: {body.index(END) + len(END)}"]
        return []


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
        table += _memory_table(Path(folder))
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
        torch.manual_seed(0)
        network = networks.build(JobSpec()).eval()
        layers = {f"{at}.{kind}": value for at, kind, value in _layers(network)}
        self._model = folder / "model.onnx"
        self._model.write_bytes(export.onnx(network, DESCRIPTION))
        save_file(layers, self._model.with_suffix(".safetensors"))
        self._home = folder / "home"
        publish(self._home, [self._model.read_bytes()])
        session = onnxruntime.InferenceSession(self._model.read_bytes())
        images = PIXELS.reshape(-1, 1, 28, 28).astype(np.float32)
        (self._expected,) = session.run(None, {"pixels": images})

    def contenders(self) -> list[str]:
        """Every row of the table."""
        ours = [f"**traind, {form}**" for form in OURS]
        return [*ours, "naive FastAPI", "LitServe", "MLServer", "BentoML", "uvicorn alone"]

    def measure(self, name: str) -> dict[str, Any] | None:
        """Rates and latencies of one server; None if it is not installed."""
        if name.startswith("**traind"):
            form = OURS[name.strip("*").partition(", ")[2]]
            started = self._ours()
        elif name in {"naive FastAPI", "uvicorn alone"}:
            form = JSON if name == "naive FastAPI" else RAW
            script = "naive_fastapi.py" if name == "naive FastAPI" else "floor.py"
            started = self._process(Path(sys.executable), script, [])
        else:
            python = PEERS / name.lower() / "bin" / "python"
            if not python.exists():
                return None
            form = V2_NUMBERS if name == "MLServer" else JSON
            arguments = [str(self._folder)] if name == "MLServer" else []
            started = self._process(python, f"with_{name.lower()}.py", arguments)
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
        with _on_core(0):
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
            with self._process(Path(sys.executable), "floor.py", []) as url:
                rates["uvicorn alone"].append(self._wrk(url, script))
        ours, floor = (statistics.median(each) for each in rates.values())
        return (
            f"\nBy wrk, raw bytes at 64 connections: {ours:,.0f} requests a second, "
            f"{ours / floor:.0%} of uvicorn alone ({floor:,.0f}).\n"
        )

    def _wrk(self, url: str, script: Path) -> float:
        command = ["wrk", "-t1", "-c64", f"-d{self._seconds:.0f}s", "-s", str(script)]
        told = subprocess.check_output([*command, f"{url}/predict"], text=True)
        assert "Non-2xx" not in told, told
        return float(told.partition("Requests/sec:")[2].split()[0])

    @contextmanager
    def _ours(self) -> Iterator[str]:
        with _serving(self._home) as service:
            yield service.url

    @contextmanager
    def _process(self, python: Path, script: str, arguments: list[str]) -> Iterator[str]:
        port = 9100 + int(time.time()) % 500 * 10
        with _on_core(0):
            process = subprocess.Popen(
                [str(python), str(CONTENDERS / script), *arguments],
                env=os.environ | {"PORT": str(port), "MODEL": str(self._model)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        try:
            _await_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            family = [*psutil.Process(process.pid).children(recursive=True)]
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            for child in family:
                if child.is_running():
                    child.kill()

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


def publish(home: Path, graphs: list[bytes]) -> list[str]:
    """A home whose database holds a model for each graph; their ids."""
    home.mkdir(parents=True, exist_ok=True)
    opened = database.connect(Settings(home=home).database)
    migrations.migrate(opened)
    ids = []
    for graph in graphs:
        digest = sha256(graph).hexdigest()
        signature = {"input_shape": [1, 28, 28], "pixel_range": [0, 255]}
        with opened.write() as connection:
            jobs.submit(connection, JobSpec().model_dump(mode="json"))
            lease = leases.claim(connection, "benchmark/1")
            assert lease
            model = TrainedModel(
                signature=signature | {"classes": DESCRIPTION.classes},
                metrics={"test_loss": 0.1, "test_accuracy": 0.9},
                provenance={},
                weights_sha256=digest,
                files={"onnx": graph},
            )
            ids.append(leases.succeed(connection, lease, model))
    opened.close()
    return ids


@contextmanager
def _serving(home: Path) -> Iterator[Service]:
    service = Service(Settings(home=home, port=0), home / "log")
    try:
        with _on_core(0):
            service.start("app")
        yield service
    finally:
        service.stop()


def _layers(network: torch.nn.Module) -> Iterator[tuple[int, str, torch.Tensor]]:
    linear = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(linear):
        yield 2 * number, "weight", layer.weight.detach()
        yield 2 * number, "bias", layer.bias.detach()


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """What is started in the block runs on this core; this process goes back to the client's."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {1})


def _await_port(port: int) -> None:
    """Until the server answers anything at all, twice, over a second apart from its first word."""
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            time.sleep(3)  # models load behind an open port
            return
    raise TimeoutError(f"nothing answers on {port}")


def _memory_table(folder: Path) -> str:
    """Resident memory with so many models of different weights, each asked once."""
    graphs = []
    for seed in range(max(MEMORY)):
        torch.manual_seed(seed + 1)
        graphs.append(export.onnx(networks.build(JobSpec()).eval(), DESCRIPTION))
    home = folder / "many"
    ids = publish(home, graphs)
    rows = [f"Graphs of {len(graphs[0]) / 1e6:.1f} MB each:\n", "| models loaded | resident |"]
    rows += ["|---|---|"]
    with _serving(home) as service:
        process = psutil.Process(service.processes["app"].pid)
        rows.append(f"| 0 | {process.memory_info().rss / 1e6:.0f} MB |")
        for number, model in enumerate(ids, 1):
            answer = httpx.post(
                f"{service.url}/models/{model}/predict",
                content=PIXELS[0].tobytes(),
                headers={"Content-Type": "application/octet-stream"},
            )
            assert answer.status_code == 200, answer.text
            if number in MEMORY:
                rows.append(f"| {number} | {process.memory_info().rss / 1e6:.0f} MB |")
    return "\n" + "\n".join(rows) + "\n"


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


def _json(images: Any) -> bytes:
    return json.dumps({"inputs": images.tolist()}, separators=(",", ":")).encode()


def _v2(images: Any) -> bytes:
    tensor = {"name": "pixels", "datatype": "FP32", "shape": list(images.shape)}
    return json.dumps({"inputs": [tensor | {"data": images.ravel().tolist()}]}).encode()


def _v2_binary(images: Any) -> bytes:
    tensor = {
        "name": "pixels",
        "datatype": "FP32",
        "shape": [len(images), 1, 28, 28],
        "parameters": {"binary_data_size": images.size * 4},
    }
    wanted = {"name": "probabilities", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    return head + images.astype(np.float32).tobytes()


KIND = "application/json"
BYTES = "application/octet-stream"
END = b"true}}]}"
"""Of the JSON part of a binary request."""
JSON = Form("/predict", KIND, _json)
RAW = Form("/predict", BYTES, lambda images: images.tobytes())
V2_NUMBERS = Form("/v2/models/classifier/infer", KIND, _v2)
V2_BINARY = Form("/v2/models/latest/infer", BYTES, _v2_binary)
OURS = {"JSON": JSON, "raw": RAW, "v2 binary": V2_BINARY}

if __name__ == "__main__":
    main()
