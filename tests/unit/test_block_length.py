"""How many mini-batches are taken together: a number that follows from the spec alone."""

from typing import Any

import pytest

from app.jobspec import DatasetFacts, JobSpec, blocks

LARGE = DatasetFacts(input_shape=(3, 224, 224), classes=10, train_images=100, test_images=20)


def length(model: dict[str, Any] | None = None, **training: Any) -> int:
    return blocks.length(JobSpec.model_validate({"model": model or {}, "training": training}))


def sgd(**fields: Any) -> dict[str, Any]:
    return {"optimizer": fields}


@pytest.mark.parametrize(
    ("batch", "steps"), [(1, 64), (2, 64), (3, 42), (4, 32), (8, 16), (16, 8), (17, 1), (64, 1)]
)
def test_small_mini_batches_of_the_reference_network_are_taken_together(
    batch: int, steps: int
) -> None:
    assert length(batch_size=batch) == steps


def test_without_momentum_larger_mini_batches_pay_too() -> None:
    wide = {"hidden": [1000]}
    assert length(wide, batch_size=32) == 1
    assert length(wide, batch_size=32, **sgd(momentum=0.0)) == 4
    assert length(wide, batch_size=33, **sgd(momentum=0.0)) == 1


@pytest.mark.parametrize(
    ("hidden", "batch", "steps"),
    [([100], 4, 1), ([200], 4, 32), ([200], 8, 1), ([32], 1, 32), ([], 1, 1)],
)
def test_a_first_layer_that_stays_in_the_cache_gains_nothing(
    hidden: list[int], batch: int, steps: int
) -> None:
    assert length({"hidden": hidden}, batch_size=batch) == steps


@pytest.mark.parametrize(
    "training",
    [
        sgd(nesterov=True),
        sgd(weight_decay=0.01),
        {"gradient": "chain_rule"},
        {"schedule": {"name": "cosine"}},
        {"loss": {"name": "mse"}},
    ],
    ids=str,
)
def test_every_kind_of_sgd_takes_blocks(training: dict[str, Any]) -> None:
    assert length(**training) == 32


@pytest.mark.parametrize(
    "training",
    [
        sgd(name="adam"),
        sgd(name="rmsprop", momentum=0.5),
        {"gradient_clipping": 1.0},
        {"gradient": "autograd"},
    ],
    ids=str,
)
def test_what_is_not_linear_in_its_gradients_or_not_by_hand_takes_none(
    training: dict[str, Any],
) -> None:
    assert length(**training) == 1


@pytest.mark.parametrize("model", [{"batch_norm": True}, {"kind": "cnn"}, {"kind": "resnet"}])
def test_other_networks_take_none(model: dict[str, Any]) -> None:
    assert length(model) == 1


def test_a_block_is_short_and_small() -> None:
    assert length({"hidden": [8000]}, batch_size=4) == 19  # 500 million products
    assert length({"hidden": [500, 1500]}, batch_size=4) == 32
    assert length({"hidden": [500, 4000]}, batch_size=4) == 12  # 25 million updates
    assert length({"hidden": [500, 3000, 3000]}, batch_size=4) == 1
    fields = {"dataset": {"name": "own"}, "model": {"hidden": [100]}}
    spec = JobSpec.model_validate(fields | {"training": {"batch_size": 1}}, context={"own": LARGE})
    assert blocks.length(spec) == 6  # 4 MB of images


def test_a_mini_batch_has_no_more_images_than_there_are() -> None:
    few = {"dataset": {"limit": 20, "validation_fraction": 0.0}, "model": {"hidden": [1000]}}
    training = {"batch_size": 500, **sgd(momentum=0.0)}
    assert blocks.length(JobSpec.model_validate(few | {"training": training})) == 6


def test_bfloat16_has_the_same_blocks_for_they_are_made_in_float32() -> None:
    assert length(precision="bfloat16") == length() == 32
