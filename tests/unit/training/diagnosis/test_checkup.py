"""A diagnosis changes nothing that it looks at, goes on after a resume, and stays small."""

from typing import Any

import msgspec
import pytest
import torch

from app.jobspec import JobSpec
from app.jobspec.patch import corrected
from tests.torture import resume_matrix
from tests.unit.training.runs import digits_spec
from worker.messages import Checkpoint, Diagnosed, Epoch, Report
from worker.training import export
from worker.training.checkpoint import Snapshot
from worker.training.dataset import Dataset
from worker.training.diagnosis.document import document, series
from worker.training.diagnosis.findings import ABOUT, Change, Evidence, Finding
from worker.training.interruptions import Diverged
from worker.training.measurements import Measurements
from worker.training.run import Run

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"model": {"hidden": [32, 16], "dropout": 0.3, "activation": "tanh"}},
    {"model": {"hidden": [32], "batch_norm": True, "dropout": 0.2}},
    {"model": {"kind": "cnn", "channels": [4], "hidden": [16], "batch_norm": True}},
    {"training": {"precision": "bfloat16"}},
    {"training": {"gradient": "autograd", "optimizer": {"name": "adam"}}},
    {"training": {"optimizer": {"lr": 50.0}}},  # for which rates are tried at the end
    {"dataset": {"augment": {"shift": 1, "noise": 0.1}}, "model": {"dropout": 0.1}},
    {"training": {"schedule": {"name": "reduce_on_plateau"}, "early_stopping": {"patience": 1}}},
]


def spec_with(changes: dict[str, Any], **more: Any) -> JobSpec:
    fields = digits_spec(epochs=4, batch_size=16).model_dump(mode="json", exclude_unset=True)
    for part, values in changes.items():
        fields[part] = fields.get(part, {}) | values
    return JobSpec.model_validate(fields | more)


def run(spec: JobSpec, dataset: Dataset, begin: bytes | None = None) -> tuple[str, list[Report]]:
    said: list[Report] = []
    run = Run(spec, dataset, said.append, lambda: None)
    try:
        run.run(begin)
    except Diverged:
        return "diverged", said
    return export.weights_sha256(run.network), said


def last(said: list[Report]) -> dict[str, Any]:
    return [each for each in said if isinstance(each, Diagnosed)][-1].diagnosis


@pytest.mark.parametrize("changes", CONFIGURATIONS, ids=str)
def test_weights_are_the_same_bit_for_bit_without_a_diagnosis(
    changes: dict[str, Any], digits: Dataset
) -> None:
    with_it, said = run(spec_with(changes), digits)
    without, silent = run(spec_with(changes, diagnosis=False), digits)
    assert with_it == without
    assert last(said)["final"]
    assert not [each for each in silent if isinstance(each, Diagnosed)]


def test_a_reading_leaves_the_network_as_it_was(digits: Dataset) -> None:
    spec = spec_with(CONFIGURATIONS[3])
    run = Run(spec, digits, lambda _: None, lambda: None)
    net, checkup = run.network, run._observer._checkup
    assert checkup is not None
    net.eval()
    net[0].train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    checkup.begin()
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert [module.training for module in net][:2] == [True, False]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert len(run.measurements.readings) == 1


def test_a_run_that_was_cut_is_judged_like_one_that_was_not(digits: Dataset) -> None:
    spec = spec_with({"training": {"optimizer": {"lr": 1e-6}}})
    kept = resume_matrix.cut(spec, digits, 150)
    assert kept is not None
    content = Snapshot.decode(kept).tensors["measured"]["msgpack"].numpy().tobytes()
    measured = msgspec.msgpack.decode(content, type=Measurements)
    assert measured.readings[0].step == 0
    whole, again = run(spec, digits), run(spec, digits, kept)
    assert whole[0] == again[0]
    one, other = last(whole[1]), last(again[1])
    assert [f["code"] for f in one["findings"]] == [f["code"] for f in other["findings"]]
    assert one["suggestion"] == other["suggestion"]
    assert one["series"]["gradient norm, layer 1"] == other["series"]["gradient norm, layer 1"]


def test_a_snapshot_of_an_older_traind_has_no_measurements(digits: Dataset) -> None:
    spec = spec_with({})
    kept = resume_matrix.cut(spec, digits, 100)
    assert kept is not None
    snapshot = Snapshot.decode(kept)
    del snapshot.tensors["measured"]
    digest, said = run(spec, digits, snapshot.encode())
    whole, told = run(spec, digits)
    assert digest == whole
    one, other = (last(each)["series"]["gradient norm, layer 1"] for each in (said, told))
    assert one[0] == other[0]  # as it was before the first step
    assert last(said)["final"]


def test_what_is_measured_of_a_long_run_is_bounded(digits: Dataset) -> None:
    spec = spec_with({"training": {"epochs": 300, "batch_size": 256}, "model": {"hidden": [4]}})
    run = Run(spec, digits, lambda _: None, lambda: None)
    checkup = run._observer._checkup
    assert checkup is not None
    checkup._recorder.due = lambda: True  # type: ignore[method-assign]  # at every step
    run.run()
    measured = run.measurements
    assert len(measured.readings) <= 64
    assert (measured.readings[0].step, measured.readings[-1].step) == (0, 1800)
    assert len(measured.stretches) <= 128
    assert sum(stretch.count for stretch in measured.stretches) == 1800
    steps = [stretch.step for stretch in measured.stretches]
    assert steps == sorted(steps)
    assert len(measured.epochs) <= 256
    assert len(msgspec.json.encode(series(measured))) < 64_000


def test_a_loss_that_breaks_is_traced_to_its_layer_and_step(digits: Dataset) -> None:
    spec = spec_with(
        {
            "model": {"hidden": [32, 32]},
            "training": {"optimizer": {"lr": 900.0}, "loss": {"name": "mse"}},
        }
    )
    digest, said = run(spec, digits)
    assert digest == "diverged"
    (finding,) = (f for f in last(said)["findings"] if f["code"] == "non_finite")
    step = finding["since"]["step"]
    # the same steps by hand: all is finite before it, and not after
    again = Run(spec, digits, lambda _: None, lambda: None)
    for number, made in enumerate(again._steps(), 1):
        numbers = [made.loss, *again.network.parameters()]
        finite = all(each.isfinite().all() for each in numbers)
        assert finite == (number < step)
        if number == step:
            break
    assert "not finite: " in finding["evidence"][0]["name"]


def test_every_finding_can_be_written_down() -> None:
    spec = JobSpec()
    evidence = [Evidence("loss", float("nan"), "above", 1.0, "what it was")]
    change = Change("/training/optimizer/lr", 0.1, "faster")
    for code in ABOUT:
        finding = Finding(code, "warning", (1, 2), evidence, "change it", [change])
        said = document(spec, [finding], Measurements(), (1, 2), final=True)
        assert said["findings"][0]["evidence"][0]["value"] is None
        assert said["changes"][0]["before"] == 0.001
        made = corrected(spec.model_dump(mode="json"), said["suggestion"])
        assert made.training.optimizer.lr == 0.1


def test_a_snapshot_that_is_broken_itself_is_not_trained_on(digits: Dataset) -> None:
    spec = spec_with({})
    kept: list[bytes] = []

    def keep(report: Report) -> None:
        if isinstance(report, Checkpoint):
            kept.append(report.content)
        if isinstance(report, Epoch) and report.epoch == 2:  # the checkpoint of its end holds it
            next(broken.network.parameters()).data[0, 0] = float("nan")

    said: list[Report] = []
    broken = Run(spec, digits, lambda each: (keep(each), said.append(each)), lambda: None)
    with pytest.raises(Diverged):
        broken.run()
    assert Snapshot.decode(kept[-1]).tensors
    (finding,) = (f for f in last(said)["findings"] if f["code"] == "non_finite")
    # its seed gives no such break: what is told is the network as it was found
    assert finding["evidence"][0]["name"] == "not finite: weights of layer 1"


def test_the_means_that_it_reads_count_class_weights(digits: Dataset) -> None:
    """Most batches of two hold no label with a weight: their loss is no 0 to be averaged."""
    weights = [1.0, 0.5, *[0.0] * 8]
    spec = JobSpec.model_validate(
        {
            "dataset": {"name": "digits", "limit": 400},
            "training": {"epochs": 1, "batch_size": 2, "loss": {"class_weights": weights}},
        }
    )
    said: list[Report] = []
    training = Run(spec, digits, said.append, lambda: None)
    training.run()
    (epoch,) = (each for each in said if isinstance(each, Epoch))
    read = training.measurements.stretches
    assert all(each.weight is not None for each in read)
    total = sum(each.weight or 0.0 for each in read)
    mean = sum(each.mean * (each.weight or 0.0) for each in read) / total
    assert mean == pytest.approx(epoch.metrics["train_loss"], rel=1e-6)
