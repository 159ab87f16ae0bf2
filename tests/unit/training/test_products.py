"""Which library gives a product, and that it is the same product."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from app.jobspec import JobSpec, Loss
from tests.unit.training.runs import digits_spec, run
from worker.training import losses, method, products
from worker.training.batches import Images
from worker.training.dataset import Dataset
from worker.training.evaluation import evaluate
from worker.training.state import State

CPU = torch.device("cpu")
WITHOUT_TILES = pytest.mark.skipif(
    products.has_tiles(), reason="oneDNN rounds on a processor with AMX, where it is never asked"
)


def forget() -> None:
    for known in (products.library, products.is_intel, products._least_of_onednn):
        known.cache_clear()


@pytest.fixture(autouse=True)
def each_test_asks_anew() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A list with an item for each time that oneDNN is chosen."""
    products.library()  # tries it once
    found: list[None] = []

    class Counting(products.OneDNN):
        def __enter__(self) -> None:
            found.append(None)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(products, "OneDNN", Counting)
    return found


def small(**training: Any) -> JobSpec:
    """64 inputs, 64 hidden units, 10 classes."""
    fields = {"dataset": {"name": "digits"}, "model": {"hidden": [64]}, "training": training}
    return JobSpec.model_validate(fields)


def processor(
    monkeypatch: pytest.MonkeyPatch, folder: Path, maker: str, *, wide: bool, tiles: bool
) -> None:
    """Makes up a processor."""
    forget()
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nvendor_id\t: {maker}\n")
    monkeypatch.setattr(products, "CPUINFO", file)
    monkeypatch.setattr(
        torch.backends.cpu, "get_cpu_capability", lambda: "AVX512" if wide else "AVX2"
    )
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: wide)


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("maker", ["AuthenticAMD", "GenuineIntel"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("tiles", [True, False])
def test_onednn_is_chosen_where_mkl_is_slow_and_nothing_is_rounded(
    maker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, wide: bool, tiles: bool
) -> None:
    processor(monkeypatch, tmp_path, maker, wide=wide, tiles=tiles)
    is_chosen = (maker, wide, tiles) == ("AuthenticAMD", True, False)
    assert products.library() == ("oneDNN" if is_chosen else "default")


def test_a_onednn_that_rounds_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Rounding(products.OneDNN):
        def __enter__(self) -> None:
            mm = torch.mm
            monkeypatch.setattr(torch, "mm", lambda a, b: mm(a.bfloat16(), b.bfloat16()).float())

        def __exit__(self, *_: object) -> None:
            pass

    processor(monkeypatch, tmp_path, "AuthenticAMD", wide=True, tiles=False)
    monkeypatch.setattr(products, "OneDNN", Rounding)
    assert products.library() == "default"


def test_where_nobody_knows_the_maker_torch_chooses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    processor(monkeypatch, tmp_path, "AuthenticAMD", wide=True, tiles=False)
    monkeypatch.setattr(products, "CPUINFO", tmp_path / "none")
    forget()
    assert products.library() == "default"


def test_the_setting_is_as_it_was_after_each_context() -> None:
    before = products._torch_setting.fp32_precision
    with products.OneDNN():
        with pytest.raises(ValueError, match="shape"), products.OneDNN():
            raise ValueError("shape")
        assert products._torch_setting.fp32_precision == "bf16"
    assert products._torch_setting.fp32_precision == before


@pytest.mark.parametrize("by_onednn", [pytest.param(True, marks=WITHOUT_TILES), False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 784, 500), (500, 4, 33), (64, 500, 10)])
@pytest.mark.parametrize("layout", ["as it is", "transposed", "out transposed"])
def test_both_libraries_give_the_product(
    by_onednn: bool, shape: tuple[int, int, int], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_least_of_onednn", lambda: 0 if by_onednn else float("inf"))
    m, k, n = shape
    drawn = torch.Generator().manual_seed(0)

    def matrix(rows: int, columns: int, *, turned: bool) -> Tensor:
        made = torch.randn((columns, rows) if turned else (rows, columns), generator=drawn)
        return made.t() if turned else made

    left = matrix(m, k, turned=layout == "transposed")
    right = matrix(k, n, turned=layout == "transposed")
    total = matrix(m, n, turned=layout == "out transposed")
    exact = left.double() @ right.double()
    expected = 0.9 * total.double() - 0.3 * exact
    products.accumulate(total, left, right, 0.9, -0.3)
    torch.testing.assert_close(total.double(), expected, atol=1e-4, rtol=1e-4)
    total.fill_(float("nan"))  # whatever is there is not read
    products.multiply(left, right, total)
    torch.testing.assert_close(total.double(), exact, atol=1e-4, rtol=1e-4)
    vector, sums = torch.randn(k, generator=drawn), torch.zeros(m)
    products.accumulate(sums, left, vector, 1.0, 2.0)
    torch.testing.assert_close(sums, 2 * left @ vector, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(
        products.multiply(left, vector, sums), left @ vector, atol=1e-3, rtol=1e-4
    )


def test_only_large_products_are_onednn_s(
    given: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_least_of_onednn", lambda: products.LARGE)
    for rows, chosen in ((99, 0), (100, 1)):  # 100 * 200 * 100 = 2,000,000
        given.clear()
        left, right, total = torch.ones(rows, 200), torch.ones(200, 100), torch.zeros(rows, 100)
        products.multiply(left, right, total)
        products.accumulate(total, left, right, 1.0)
        products.multiply(left.bfloat16(), right.bfloat16(), total)  # oneDNN's in any case
        assert len(given) == 2 * chosen
    assert total.eq(200).all()


def test_a_network_is_onednn_s_where_the_mean_of_its_layers_is_large(
    given: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_least_of_onednn", lambda: products.LARGE)
    net = nn.Sequential(nn.Linear(784, 500), nn.Linear(500, 10))  # 198,500 weights in the mean
    for images, chosen in ((10, 0), (11, 1)):
        given.clear()
        with products.for_network(net, images):
            assert len(given) == chosen
    given.clear()
    with products.for_network(nn.Sequential(nn.Conv2d(1, 8, 3)), 10_000):
        assert not given, "convolutions are oneDNN's in any case"


def test_autograd_s_steps_choose_for_the_network_and_the_chain_rule_s_by_product(
    given: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_least_of_onednn", lambda: 64 * 24 * 100)
    criterion = losses.criterion(Loss(), torch.ones(10))

    def chosen(batch: int, gradient: str) -> int:
        one = small(batch_size=batch, gradient=gradient)
        state = State(one, CPU)
        images = torch.zeros(batch, 1, 8, 8), torch.zeros(batch, dtype=torch.int64)
        given.clear()
        list(method.steps(one, state, criterion, [images]))
        return len(given)

    # the mean layer has (64 * 64 + 64 * 10) / 2 = 2,368 weights
    assert (chosen(64, "autograd"), chosen(65, "autograd")) == (0, 1)
    assert chosen(37, "chain_rule") == 0
    assert chosen(38, "chain_rule") == 2, "forward and gradient of the first layer"


def test_an_evaluation_chooses_for_the_network_and_its_batch(
    given: list[None], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    criterion = losses.criterion(Loss(), torch.ones(10))
    images = Images(
        torch.from_numpy(digits.test_images),
        torch.from_numpy(digits.test_labels).long(),
        digits.description,
        CPU,
    )
    net = State(small(), CPU).net
    for least, expected in ((2368 * 250, 1), (2368 * 250 + 1, 0)):
        monkeypatch.setattr(products, "_least_of_onednn", lambda least=least: least)
        given.clear()
        evaluate(net, criterion, images, 10)
        assert len(given) == expected, "of two batches, of which one has 250 images"


def test_the_rest_of_an_epoch_closed_early_leaves_torch_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "_least_of_onednn", lambda: 0)
    spec = small(gradient="autograd")
    before = products._torch_setting.fp32_precision
    batch = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
    criterion = losses.criterion(Loss(), torch.ones(10))
    steps = method.steps(spec, State(spec, CPU), criterion, [batch] * 3)
    next(steps)
    assert products._torch_setting.fp32_precision == "bf16"
    steps.close()
    assert products._torch_setting.fp32_precision == before


BY_ROWS = {(96, 397_510): True, (64, 397_510): False, (512, 25_450): False, (24, 10**9): False}


@pytest.mark.parametrize(
    ("maker", "tiles", "expected"),
    [
        ("GenuineIntel", True, dict.fromkeys(BY_ROWS, True)),
        ("GenuineIntel", False, dict.fromkeys(BY_ROWS, False)),
        ("AuthenticAMD", False, BY_ROWS),
    ],
)
def test_bfloat16_by_hand_where_it_was_measured_to_be_sooner(
    maker: str,
    expected: dict[tuple[int, int], bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    tiles: bool,
) -> None:
    processor(monkeypatch, tmp_path, maker, wide=True, tiles=tiles)
    assert {each: products.bfloat16_is_faster(*each) for each in expected} == expected


@WITHOUT_TILES
def test_a_run_with_onednn_learns_the_same(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for least in (0, float("inf")):
        monkeypatch.setattr(products, "_least_of_onednn", lambda least=least: least)
        found.append(run(digits_spec(), digits)[0])
    by_onednn, by_mkl = found
    assert by_onednn.metrics["test_loss"] == pytest.approx(by_mkl.metrics["test_loss"], rel=1e-3)
