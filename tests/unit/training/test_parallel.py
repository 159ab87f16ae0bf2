"""Two workers together make the steps of one: real processes, real messages between them."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from app.codes import StopReason
from app.jobspec import JobSpec
from tests.forking import forking
from tests.unit.training.runs import of, run
from worker.messages import Checkpoint, Epoch, Finished, RunningLoss
from worker.training.checkpoint import Snapshot
from worker.training.dataset import Dataset
from worker.training.interruptions import Stopping
from worker.training.parallel import Workers
from worker.training.run import Run

TOLERANCE = 1e-4
"""Sums in another order, over some hundred steps."""
SPECS: dict[str, dict[str, Any]] = {
    "momentum": {"training": {"optimizer": {"lr": 0.05, "momentum": 0.9}}},
    "clipped": {"training": {"gradient_clipping": 0.5, "optimizer": {"name": "adam", "lr": 0.002}}},
    "weighted": {
        "training": {
            "loss": {"class_weights": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]},
            "optimizer": {"lr": 0.02},
        }
    },
    "convolutions": {"model": {"kind": "cnn", "channels": [8]}, "training": {}},
    "early stopping": {
        "training": {
            "early_stopping": {"metric": "validation_loss", "patience": 1},
            "optimizer": {"lr": 0.1},
            "epochs": 6,
        }
    },
}


def spec_of(name: str, workers: int) -> JobSpec:
    wanted = SPECS[name]
    training = {"epochs": 2, "batch_size": 32, "log_every": 10} | wanted["training"]
    fields = {"dataset": {"name": "digits"}, "resources": {"workers": workers}}
    return JobSpec.model_validate(fields | wanted | {"training": training})


def worker(rank: int, meeting: Path, digits: Dataset, told: Connection) -> None:
    """One of two workers: trains each spec; then one that is stopped, and resumed."""
    torch.manual_seed(rank)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    for name in SPECS:
        workers = Workers(lambda: None)
        said: list[Any] = []
        alone = Run(spec_of(name, 2), digits, said.append, workers.stop_requested, workers=workers)
        told.send((alone.run(), said))
    spec = spec_of("momentum", 2)
    said = []
    stopped = Workers(lambda: StopReason.PAUSE if rank == 0 else None)
    with pytest.raises(Stopping):
        Run(spec, digits, said.append, stopped.stop_requested, workers=stopped).run()
    (kept,) = of(Checkpoint, said)
    workers = Workers(lambda: None)
    again = Run(spec, digits, said.append, workers.stop_requested, workers=workers)
    told.send((again.run(kept.content), [kept]))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Any:
    """What both workers say, by spec."""
    context = forking()
    meeting = tmp_path_factory.mktemp("workers") / "meeting"
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [
        context.Process(target=worker, args=(rank, meeting, digits, theirs))
        for rank, (_, theirs) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    for _, theirs in pipes:
        theirs.close()
    found = {name: [ours.recv() for ours, _ in pipes] for name in [*SPECS, "resumed"]}
    for process in processes:
        process.join()
    for ours, _ in pipes:
        ours.close()
    return found


@pytest.mark.parametrize("name", SPECS)
def test_two_workers_train_as_one(name: str, digits: Dataset, together: Any) -> None:
    finished, alone = run(spec_of(name, 1), digits)
    (first, said), (second, _) = together[name]
    assert first.weights_sha256 == second.weights_sha256
    for kind in (RunningLoss, Epoch):
        assert len(of(kind, said)) == len(of(kind, alone))
    assert [each.loss for each in of(RunningLoss, said)] == pytest.approx(
        [each.loss for each in of(RunningLoss, alone)], abs=TOLERANCE
    )
    for one, other in zip(of(Epoch, said), of(Epoch, alone), strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=2e-3)
    assert first.metrics["test_loss"] == pytest.approx(finished.metrics["test_loss"], abs=1e-3)


def test_all_workers_stop_at_the_same_step_and_go_on_from_the_first_ones_checkpoint(
    together: Any,
) -> None:
    (first, (kept,)), (second, (other,)) = together["resumed"]
    assert kept.step == other.step == 1
    assert Snapshot.decode(kept.content).values["position"]["step"] == 1
    whole: Finished = together["momentum"][0][0]
    assert first.weights_sha256 == second.weights_sha256 == whole.weights_sha256
