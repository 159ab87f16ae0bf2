"""A run whose mini-batches are taken a block at a time: its boundaries, reports and weights."""

from typing import Any

import pytest

from app.codes import StopReason
from app.jobspec import JobSpec, Model
from app.jobspec import blocks as block_length
from tests.unit.training.runs import digits_spec, of, run
from worker.messages import Checkpoint, Diagnosed, Report, Resumed, RunningLoss, Started, Step
from worker.training.checkpoint import Snapshot
from worker.training.dataset import Dataset
from worker.training.interruptions import Diverged, Stopping
from worker.training.run import Run

LENGTH, STEPS = 6, 41
"""Mini-batches in a block; in an epoch, of which the last is smaller."""


@pytest.fixture(autouse=True)
def blocks_of_six(monkeypatch: pytest.MonkeyPatch) -> None:
    """These networks are too small for blocks to pay: here they are taken all the same."""
    monkeypatch.setattr(block_length, "length", lambda *_: LENGTH)


def boundaries(epoch: int = 1) -> list[int]:
    first = (epoch - 1) * STEPS
    return [*range(first + LENGTH, first + STEPS - 1, LENGTH), first + STEPS - 1, first + STEPS]


def stopped(
    spec: JobSpec, dataset: Dataset, at: int, begin: bytes | None = None
) -> tuple[list[Report], bytes]:
    """The reports and the checkpoint of a run that is asked to stop at a step."""
    reports: list[Report] = []

    def stop() -> StopReason | None:
        return StopReason.PAUSE if run._state.position.step >= at else None

    run = Run(spec, dataset, reports.append, stop)
    with pytest.raises(Stopping):
        run.run(begin)
    return reports, of(Checkpoint, reports)[-1].content


def digest(spec: JobSpec, dataset: Dataset, begin: bytes | None = None) -> str:
    return Run(spec, dataset, lambda _: None, lambda: None).run(begin).weights_sha256


def test_a_stop_asked_within_a_block_takes_effect_at_its_end(digits: Dataset) -> None:
    found = {}
    for at in (1, 5, 6, 7, 35, 36, 37, 40, 41, 42):
        reports, _ = stopped(digits_spec(), digits, at)
        found[at] = of(Checkpoint, reports)[-1].step
    ends = boundaries(1) + boundaries(2)
    assert found == {at: next(end for end in ends if end >= at) for at in found}


def test_stops_within_blocks_change_no_weight(digits: Dataset) -> None:
    model = {"hidden": [20, 10], "dropout": 0.2}
    schedule = {"name": "cosine", "warmup": 0.2}
    spec = digits_spec(schedule=schedule).model_copy(
        update={"model": JobSpec.model_validate({"model": model}).model}
    )
    whole = digest(spec, digits)
    for cuts in ([3], [9, 20, 39, 44], [41, 80]):
        kept: bytes | None = None
        for at in cuts:
            _, kept = stopped(spec, digits, at, kept)
        assert digest(spec, digits, kept) == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"log_every": 1}},
        {"training": {"log_every": 7}},
        {"training": {"checkpoint_seconds": 0.5}},
        {"diagnosis": False},
    ],
    ids=str,
)
def test_the_weights_depend_on_nobody_who_looks(
    digits: Dataset, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = digits_spec()
    whole = digest(spec, digits)
    changed = spec.model_dump(mode="json")
    for section, values in changes.items():
        is_section = isinstance(values, dict)
        changed[section] = changed[section] | values if is_section else values
    monkeypatch.setattr("worker.training.throughput.REPORT_SECONDS", 0.0)
    monkeypatch.setattr(Run, "_keep_if_due", Run._keep)  # at every boundary
    assert digest(JobSpec.model_validate(changed), digits) == whole


def test_probes_come_between_blocks_and_change_no_weight(digits: Dataset) -> None:
    spec = digits_spec()
    whole = digest(spec, digits)
    run_ = Run(spec, digits, lambda _: None, lambda: None)
    checkup = run_._observer._checkup
    assert checkup is not None
    checkup._recorder.due = lambda: True  # type: ignore[method-assign]  # wherever it may
    assert run_.run().weights_sha256 == whole
    read = run_.measurements.readings
    assert [each.step for each in read] == [0, *boundaries(1), *boundaries(2), 2 * STEPS]
    assert len(run_.measurements.readings[0].layers) == 2
    updates = [layer.update for each in read[:-2] for layer in each.layers]
    assert all(update is not None and update > 0 for update in updates)


def test_an_update_is_that_of_one_step(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def updates() -> list[list[float | None]]:
        run_ = Run(digits_spec(epochs=1), digits, lambda _: None, lambda: None)
        checkup = run_._observer._checkup
        assert checkup is not None
        recorder = checkup._recorder
        recorder.due = lambda: run_._state.position.step in (6, 18)  # type: ignore[method-assign]
        run_.run()
        read = run_.measurements.readings[:3]
        assert [each.step for each in read] == [0, 6, 18]
        return [[layer.update for layer in each.layers] for each in read]

    by_blocks = updates()
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    for ours, theirs in zip(by_blocks, updates(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_the_reports_are_those_of_single_steps(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = digits_spec(log_every=7)
    ours, reports = run(spec, digits)
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    theirs, expected = run(spec, digits)
    for kind in (RunningLoss, Step):
        assert of(kind, reports)[0].step == of(kind, expected)[0].step
    lines = [(each.epoch, each.batch, each.step) for each in of(RunningLoss, reports)]
    assert lines == [(each.epoch, each.batch, each.step) for each in of(RunningLoss, expected)]
    assert [each.loss for each in of(RunningLoss, reports)] == pytest.approx(
        [each.loss for each in of(RunningLoss, expected)], rel=1e-4
    )
    assert ours.metrics["test_accuracy"] == pytest.approx(theirs.metrics["test_accuracy"], abs=0.01)


def test_the_sums_of_an_epoch_do_not_depend_on_when_somebody_asks(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epochs() -> list[dict[str, float]]:
        _, reports = run(digits_spec(log_every=1000), digits)
        return [each.metrics for each in reports if type(each).__name__ == "Epoch"]

    seldom = epochs()
    monkeypatch.setattr("worker.training.throughput.REPORT_SECONDS", 0.0)
    assert epochs() == seldom


def test_the_first_step_is_reported_at_once(digits: Dataset) -> None:
    _, reports = run(digits_spec(), digits)
    assert of(Step, reports)[0].step == 1


def test_another_length_is_a_difference_that_is_named(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports, kept = stopped(digits_spec(), digits, 20)
    assert of(Started, reports)[0].environment["block"] == LENGTH
    again: list[Report] = []
    monkeypatch.setattr(block_length, "length", lambda *_: 4)
    Run(digits_spec(), digits, again.append, lambda: None).run(kept)
    assert of(Resumed, again)[0].differences == [f"block was {LENGTH}, is 4"]


@pytest.mark.parametrize("length", [1, 4])
def test_a_checkpoint_of_an_older_version_was_made_step_by_step(
    digits: Dataset, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    _, kept = stopped(digits_spec(), digits, 7)
    snapshot = Snapshot.decode(kept)
    del snapshot.values["environment"]["block"]
    monkeypatch.setattr(block_length, "length", lambda *_: length)
    again: list[Report] = []
    Run(digits_spec(), digits, again.append, lambda: None).run(snapshot.encode())
    (resumed,) = of(Resumed, again)
    assert resumed.differences == ([] if length == 1 else ["block was 1, is 4"])


def test_a_run_taken_up_within_a_block_ends_that_block_first(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    _, kept = stopped(digits_spec(), digits, 8)
    monkeypatch.setattr(block_length, "length", lambda *_: LENGTH)
    again = Run(digits_spec(), digits, lambda _: None, lambda: None)
    again._resume(kept)
    ends = [9 + at for at, step in enumerate(again._steps()) if step.is_boundary]
    assert ends == boundaries()[1:]


@pytest.mark.parametrize("hidden", [[], [32]], ids=str)
@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": {"lr": 900.0}, "loss": {"name": "mse"}},
        {"optimizer": {"lr": 1000.0, "momentum": 0.0, "weight_decay": 1.0}},
        {"optimizer": {"lr": 30.0, "momentum": 0.99}, "loss": {"name": "mse"}, "log_every": 3},
    ],
    ids=str,
)
def test_a_loss_that_breaks_within_a_block_is_traced_to_its_layer_and_step(
    digits: Dataset,
    training: dict[str, Any],
    hidden: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found() -> tuple[Any, str]:
        model = Model.model_validate({"hidden": hidden})
        spec = digits_spec(**training).model_copy(update={"model": model})
        said: list[Report] = []
        with pytest.raises(Diverged):
            Run(spec, digits, said.append, lambda: None).run()
        last = of(Diagnosed, said)[-1].diagnosis
        (finding,) = (each for each in last["findings"] if each["code"] == "non_finite")
        return finding["since"], finding["evidence"][0]["name"]

    by_blocks = found()
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    assert by_blocks == found()


@pytest.mark.parametrize("nesterov", [False, True])
def test_factors_beyond_single_precision_are_a_loss_that_breaks(
    digits: Dataset, nesterov: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_length, "length", lambda *_: 64)
    optimizer = {"lr": 1000.0, "weight_decay": 10.0, "nesterov": nesterov}
    with pytest.raises(Diverged):
        run(digits_spec(optimizer=optimizer, batch_size=4), digits)


@pytest.mark.parametrize("kind", ["trial", "range"])
def test_what_the_diagnosis_trains_by_itself_may_end_within_a_block(
    digits: Dataset, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that is far too high is answered by range tests and a trial with a tenth of it."""

    def measured() -> Any:
        run_ = Run(digits_spec(optimizer={"lr": 3.0}), digits, lambda _: None, lambda: None)
        run_.run()
        found = run_.measurements
        if kind == "trial":
            assert found.trial is not None
            assert found.trial.steps % LENGTH
            return found.trial.train_loss
        return [each.recommended for each in found.ranges]

    by_blocks = measured()
    monkeypatch.setattr(block_length, "length", lambda *_: 1)
    assert by_blocks == pytest.approx(measured(), rel=0.02)


def test_the_environment_names_the_length_that_the_spec_has(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environment(**training: Any) -> dict[str, Any]:
        fields = {"dataset": {"name": "digits", "limit": 100}, "model": {"hidden": [2000]}}
        training = {"epochs": 1, "batch_size": 4} | training
        _, reports = run(JobSpec.model_validate(fields | {"training": training}), digits)
        return of(Started, reports)[0].environment

    monkeypatch.undo()
    assert environment()["block"] == 32
    assert environment(gradient="autograd")["block"] == 1
    assert environment(optimizer={"name": "adam"})["block"] == 1


def test_a_rehearsal_counts_the_steps_of_whole_blocks(digits: Dataset) -> None:
    counts = list(Run(digits_spec(), digits, lambda _: None, lambda: None).rehearse())
    assert counts == [*[LENGTH] * 6, STEPS - 37, 1]
