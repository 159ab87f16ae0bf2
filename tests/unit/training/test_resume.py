"""A run that was cut and resumed in a fresh process ends with the weights of one that was not."""

from app.jobspec import JobSpec
from tests.torture import resume_matrix
from tests.unit.training.runs import digits_spec
from worker.messages import Checkpoint, Epoch, Log, Resumed
from worker.training import export
from worker.training.checkpoint import Snapshot
from worker.training.dataset import Dataset
from worker.training.run import Run


def test_a_part_of_the_matrix_resumes_bit_for_bit(seed: int) -> None:
    """The whole matrix is `make torture`; each seed looks at other configurations."""
    found = resume_matrix.run(cuts=1, every=6, seed=seed)
    assert len(found) >= 2  # a run that stops early may end before its cut
    assert all(found.values()), f"seed {seed}: {found}"


def test_a_checkpoint_of_another_environment_is_resumed_and_says_so(digits: Dataset) -> None:
    spec = digits_spec()
    kept = resume_matrix.cut(spec, digits, 30)
    assert kept is not None
    snapshot = Snapshot.decode(kept)
    snapshot.values["environment"]["torch"] = "1.0"
    reports: list[object] = []
    Run(spec, digits, reports.append, lambda: None).run(snapshot.encode())
    (resumed,) = (each for each in reports if isinstance(each, Resumed))
    assert resumed.step == 30
    assert len(resumed.differences) == 1
    assert resumed.differences[0].startswith("torch was 1.0, is ")


def test_what_is_restored_lies_in_memory_as_what_was_made(digits: Dataset) -> None:
    """Wherever the checkpoint's bytes lie: the last bits of a product depend on it."""
    spec = digits_spec()
    kept = resume_matrix.cut(spec, digits, 30)
    assert kept is not None
    resumed = Run(spec, digits, lambda _: None, lambda: None)
    resumed._resume(kept)
    state = resumed._state.optimizer.state
    held = [*state, *(each["momentum_buffer"] for each in state.values())]
    assert len(held) == 2 * len(list(resumed.network.parameters()))
    assert all(tensor.data_ptr() % 64 == 0 for tensor in held)


def test_checkpoints_come_at_each_epoch(digits: Dataset) -> None:
    reports: list[object] = []
    spec = digits_spec(epochs=3)
    Run(spec, digits, reports.append, lambda: None).run()
    kept = [each for each in reports if isinstance(each, Checkpoint)]
    assert [each.step for each in kept] == [41, 82, 123]
    assert all(len(each.content) < 2 * spec.checkpoint_bytes for each in kept)


def test_early_stopping_ends_the_run_and_restores_the_best_weights(digits: Dataset) -> None:
    fields = {
        "dataset": {"name": "digits", "limit": 300},
        "training": {
            "epochs": 100,
            "batch_size": 16,
            "optimizer": {"lr": 0.1},
            "early_stopping": {"patience": 2},
        },
    }
    spec = JobSpec.model_validate(fields)
    reports: list[object] = []
    run = Run(spec, digits, reports.append, lambda: None)
    finished = run.run()
    kept = [each for each in reports if isinstance(each, Checkpoint)]
    assert len(kept) < 100
    best = Snapshot.decode(kept[-3].content).tensors["net"]
    run.network.load_state_dict(best)
    assert export.weights_sha256(run.network) == finished.weights_sha256
    said = [each.message for each in reports if isinstance(each, Log)][-2:]
    ended = len(kept)
    assert said == [
        f"stopped early after epoch {ended}; the weights are those of epoch {ended - 2}, the best "
        "by validation_loss",
        "Finished Training",
    ]
    resumed = Run(spec, digits, reports.append, lambda: None)
    again = resumed.run(kept[-2].content)
    assert [each.message for each in reports if isinstance(each, Log)][-2:] == said
    (measured,) = [e for e in reports if isinstance(e, Epoch) and e.epoch == ended - 2]
    measured_rate = {"learning_rate": measured.metrics["learning_rate"]}
    for each in (finished, again):
        assert measured.metrics.items() <= (each.metrics | measured_rate).items()
