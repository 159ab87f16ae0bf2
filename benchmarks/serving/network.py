"""A network for every server, as ONNX for those with ONNX Runtime and as weights for torch."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save_file

from app.jobspec import JobSpec
from app.settings import Settings
from app.store import database, jobs, migrations
from app.store.trained_models import TrainedModel
from tests import runs
from worker.training import graph, networks
from worker.training.dataset import Description

DESCRIPTION = Description(
    "mnist", (1, 28, 28), [str(digit) for digit in range(10)], (0, 255), [0.1307], [0.3081], ""
)


def save(model: Path, spec: JobSpec) -> None:
    """Writes the ONNX graph to `model`, and beside it the linear weights as safetensors."""
    network = built(spec, seed=0)
    model.write_bytes(graph.written(network, spec.layers, DESCRIPTION))
    layers = {f"{at}.{kind}": value for at, kind, value in _layers(network)}
    save_file(layers, model.with_suffix(".safetensors"))


def onnx(seed: int) -> bytes:
    """The ONNX graph of the same network with other weights."""
    return graph.written(built(JobSpec(), seed), JobSpec().layers, DESCRIPTION)


def built(spec: JobSpec, seed: int) -> torch.nn.Module:
    """The network that a specification describes; its weights follow from the seed."""
    torch.manual_seed(seed)
    return networks.build(spec).eval()


def publish(home: Path, graphs: list[bytes]) -> list[str]:
    """A home whose database holds a model for each graph; their ids."""
    home.mkdir(parents=True, exist_ok=True)
    opened = database.connect(Settings(home=home).database)
    migrations.migrate(opened)
    ids = []
    for content in graphs:
        digest = sha256(content).hexdigest()
        signature = {"input_shape": [1, 28, 28], "pixel_range": [0, 255]}
        with opened.write() as connection:
            jobs.submit(connection, JobSpec().model_dump(mode="json"))
            lease = runs.claim(connection, "benchmark/1")
            assert lease
            model = TrainedModel(
                signature=signature | {"classes": DESCRIPTION.classes},
                metrics={"test_loss": 0.1, "test_accuracy": 0.9},
                provenance={},
                weights_sha256=digest,
                files={"onnx": content},
            )
            ids.append(runs.succeed(connection, lease, model))
    opened.close()
    return ids


def _layers(network: torch.nn.Module) -> Iterator[tuple[int, str, torch.Tensor]]:
    linear = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(linear):
        yield 2 * number, "weight", layer.weight.detach()
        yield 2 * number, "bias", layer.bias.detach()
