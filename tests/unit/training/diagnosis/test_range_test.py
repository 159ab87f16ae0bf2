"""A range test recommends a rate with which the network learns, and the same one each time."""

from typing import Any

import numpy as np
import pytest

from app.jobspec import DatasetFacts, JobSpec
from app.rows.columns import Column
from tests.unit.training import runs
from worker.messages import Diagnosed, Epoch, Measured, Report
from worker.training.dataset import Dataset, TableDescription
from worker.training.run import Run


def found_by(dataset: Dataset, **fields: Any) -> dict[str, Any]:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}, "lr_range": {}} | fields)
    return measured(spec, dataset)[0]


def measured(spec: JobSpec, dataset: Dataset) -> tuple[dict[str, Any], int]:
    """What a range test finds, and in how many mini-batches."""
    said: list[Report] = []
    asked: list[None] = []  # whether to stop, before each mini-batch
    assert isinstance(Run(spec, dataset, said.append, lambda: asked.append(None)).run(), Measured)
    (diagnosed,) = (each for each in said if isinstance(each, Diagnosed))
    found: dict[str, Any] = diagnosed.diagnosis["lr_range"]
    return found, len(asked)


@pytest.mark.parametrize(
    ("optimizer", "least", "most"),
    [
        ({"name": "sgd"}, 1e-3, 0.2),
        ({"name": "adam"}, 1e-4, 2e-2),
        ({"name": "rmsprop"}, 5e-5, 2e-2),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [4, 32, 128])
def test_the_recommended_rate_is_one_that_works(
    digits: Dataset, optimizer: dict[str, Any], least: float, most: float, batch: int
) -> None:
    found = found_by(digits, training={"optimizer": optimizer | {"lr": 1.0}, "batch_size": batch})
    assert least <= found["recommended"] <= most
    assert found["curve"][0][0] == 1e-6


def test_it_repeats_exactly(digits: Dataset) -> None:
    model = {"hidden": [32], "dropout": 0.5}
    assert found_by(digits, model=model) == found_by(digits, model=model)


def test_its_limits_are_those_of_the_spec(digits: Dataset) -> None:
    found = found_by(digits, lr_range={"lowest": 1e-4, "highest": 1e-2, "batches": 50})
    rates = [rate for rate, _ in found["curve"]]
    assert len(rates) == 50
    assert rates[0] == 1e-4
    assert rates[-1] == pytest.approx(1e-2)
    assert found["diverges_at"] is None


def test_where_nothing_is_learned_no_rate_is_recommended(digits: Dataset) -> None:
    found = found_by(digits, model={"hidden": [16] * 8, "initialization": "zeros"})
    assert found["recommended"] is None


CLIPPED = {"gradient_clipping": 1e-4, "optimizer": {"lr": 0.01}}


@pytest.mark.parametrize(
    ("limits", "training", "end"),
    [
        ({"lowest": 1e-6, "highest": 1e-2}, {"batch_size": 32}, "highest"),
        ({"lowest": 0.2, "highest": 10.0}, {"batch_size": 32}, "lowest"),
        ({"lowest": 1e-9, "highest": 1e-7}, {}, "highest"),
        ({"lowest": 1e-6, "highest": 10.0}, CLIPPED, "highest"),
        ({"lowest": 1e-5, "highest": 10.0}, {}, None),
    ],
    ids=["falls to its end", "best below", "too low", "clipped", "whole"],
)
def test_only_tested_rates_are_recommended_and_the_end_to_move_is_named(
    digits: Dataset, limits: dict[str, float], training: dict[str, Any], end: str | None
) -> None:
    found = found_by(digits, lr_range=limits, training=training)
    rates = [rate for rate, _ in found["curve"]]
    if found["recommended"] is not None:
        assert rates[0] <= found["recommended"] <= rates[-1]
    if end is None:
        assert found["advice"] is None
    else:
        assert "extend" in found["advice"]
        assert f"`{end}`" in found["advice"]


@pytest.mark.parametrize("lowest", [5.0, 100.0])
def test_a_loss_that_explodes_at_once_asks_for_lower_rates(digits: Dataset, lowest: float) -> None:
    """The curve is shorter than what is mostly chance."""
    limits = {"lowest": lowest, "highest": 2 * lowest, "batches": 50}
    found = found_by(digits, lr_range=limits, model={"hidden": [64]})
    assert len(found["curve"]) < 10
    assert found["diverges_at"] == found["curve"][-1][0]
    assert found["advice"].startswith("The loss exploded before it had fallen")
    assert "`lowest`" in found["advice"]
    assert "`highest`" not in found["advice"]


def test_a_fall_that_noise_explains_asks_for_more_images(digits: Dataset) -> None:
    limits = {"lowest": 1e-12, "highest": 1e-9}
    found = found_by(digits, lr_range=limits, model={"hidden": [64]}, training={"batch_size": 4})
    assert found["recommended"] is None
    assert found["advice"].startswith("The loss fell by no more than noise")


def test_no_rate_is_asked_for_that_is_refused(digits: Dataset) -> None:
    found = found_by(digits, lr_range={"lowest": 1e-12, "highest": 1e-9})
    assert "greater `highest`." in found["advice"]
    with pytest.raises(ValueError, match="lowest"):
        JobSpec.model_validate({"lr_range": {"lowest": 0.99e-12}})


@pytest.mark.parametrize(("batches", "is_told"), [(50, True), (100, False)])
def test_few_mini_batches_recommend_a_rate_with_a_warning(
    digits: Dataset, batches: int, is_told: bool
) -> None:
    found = found_by(digits, lr_range={"batches": batches})
    assert found["recommended"] is not None
    assert bool(found["advice"]) is is_told


def test_batches_without_any_weight_say_nothing(digits: Dataset) -> None:
    weights = {"class_weights": [1.0, *[0.0] * 9]}
    found = found_by(
        digits,
        lr_range={"lowest": 1e-6, "highest": 1e-5, "batches": 200},
        training={"batch_size": 1, "loss": weights},
    )
    losses = [loss for _, loss in found["curve"]]
    assert 0 < len(losses) < 100  # a tenth of the images is of the class that counts
    assert min(losses) > 0.5  # at rates so low nothing is learned: no loss is near 0


def table_with_a_rare_class(share: float) -> Dataset:
    """2,000 rows to train on and 2,000 to validate with, of two clouds that hardly overlap."""
    draw = np.random.default_rng(1)

    def part() -> tuple[Any, Any]:
        labels = draw.permutation(np.arange(2000) < round(2000 * share)).astype(np.uint8)
        rows = draw.normal(size=(2000, 8)) + 1.6 * labels[:, None]
        return rows.astype(np.float32), labels

    scale = {"mean": 0.0, "std": 1.0, "low": -4.0, "high": 6.0}
    columns = [Column(f"c{number}", "number", **scale) for number in range(8)]
    description = TableDescription("own", "class", columns, ["often", "rare"], "")
    return Dataset(description, *part(), *part(), *part())


def spec_of_a_table(**sections: Any) -> JobSpec:
    facts = DatasetFacts(
        kind="table",
        input_shape=(8,),
        classes=2,
        train_images=2000,
        test_images=2000,
        validation_images=2000,
    )
    fields = {"dataset": {"name": "own"}, "model": {"hidden": [16]}, "diagnosis": False} | sections
    return JobSpec.model_validate(fields, context={"own": facts})


@pytest.mark.parametrize(
    ("share", "batch"), [(0.005, 1), (0.005, 4), (0.01, 1), (0.01, 4), (0.03, 1)]
)
def test_where_a_class_is_rare_the_recommended_rate_is_better_than_a_tenth_of_it(
    share: float, batch: int
) -> None:
    """It was too high: the loss of batches without a rare row fell by naming the other class."""
    dataset = table_with_a_rare_class(share)
    training: dict[str, Any] = {"batch_size": batch, "epochs": 4, "seed": 2}
    found, _ = measured(spec_of_a_table(training=training, lr_range={}), dataset)

    def loss_at(rate: float) -> float:
        spec = spec_of_a_table(training=training | {"optimizer": {"lr": rate}})
        return runs.of(Epoch, runs.run(spec, dataset)[1])[-1].metrics["validation_loss"]

    assert loss_at(found["recommended"]) < loss_at(found["recommended"] / 10)


@pytest.mark.parametrize(
    ("share", "batch", "epochs", "at_a_rate"),
    [(0.5, 1, 4, 1), (0.01, 64, 4, 1), (0.01, 4, 4, 5), (0.001, 1, 4, 32), (0.01, 4, 1, 2)],
    ids=["balanced", "large batches", "rare", "very rare", "short run"],
)
def test_each_rate_is_kept_until_the_rare_class_was_seen(
    share: float, batch: int, epochs: int, at_a_rate: int
) -> None:
    dataset = table_with_a_rare_class(share)
    training: dict[str, Any] = {"batch_size": batch, "epochs": epochs}
    spec = spec_of_a_table(training=training, lr_range={"highest": 1e-4, "batches": 200})
    found, batches = measured(spec, dataset)
    assert batches == at_a_rate * len(found["curve"])
    assert measured(spec, dataset)[0] == found
