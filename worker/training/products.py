"""Matrix products, each by the library that gives it sooner.

torch leaves float32 to MKL, which uses AVX-512 on Intel's processors only. On an AMD EPYC (Zen 5)
oneDNN, which torch has too, multiplies large matrices 2.3 times as fast, and no less exactly. A
call of it takes 12 us longer, so that small products stay with MKL. Reasons and alternatives:
docs/decisions/0006-matrix-products.md; measurements: benchmarks/products.py.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Literal

import torch
from torch import Tensor, nn

CPUINFO = Path("/proc/cpuinfo")
LARGE = 2_000_000
"""Multiplications of numbers in one product from which oneDNN is sooner."""
FEW = 24
"""Rows of a mini-batch whose products in bfloat16 save as much as converting the weights costs."""
WORTH_ROUNDING = 20_000_000
"""Weights times further rows whose products save what the calls cost."""
UNROUNDED = 1 + 2**-12
"""A number that float32 has and bfloat16 has not."""

_torch_setting = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


class OneDNN:
    """A context in which oneDNN gives torch's float32 products.

    torch has one setting for this, which also allows oneDNN to round the factors to bfloat16. It
    does so with AMX alone (see `library`).
    """

    def __enter__(self) -> None:
        self._before = _torch_setting.fp32_precision
        _torch_setting.fp32_precision = "bf16"

    def __exit__(self, *_: object) -> None:
        _torch_setting.fp32_precision = self._before


@cache
def library() -> Literal["oneDNN", "default"]:
    """What gives large products in float32 on this processor."""
    is_wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if not is_wide or has_tiles() or is_intel() or not _keeps_float32():
        return "default"
    return "oneDNN"


def has_tiles() -> bool:
    """Whether the processor has tiles for products in bfloat16 (AMX)."""
    return torch.cpu._is_amx_tile_supported()


@cache
def is_intel() -> bool:
    """Whether MKL has its fastest products here; so it is said to have where nobody knows."""
    return not CPUINFO.exists() or "GenuineIntel" in CPUINFO.read_text()


def _keeps_float32() -> bool:
    """Whether oneDNN really multiplies float32, also in a version that we have not seen."""
    ones = torch.ones(128, 128)
    with OneDNN():
        found = torch.mm(ones * UNROUNDED, ones)
    return bool((found == len(ones) * UNROUNDED).all())


def rounds_sooner(batch: int, weights: int) -> bool:
    """Whether the chain rule's steps take less time with products in bfloat16 than in float32.

    With tiles always. Intel's processors without them take twice the time (Sapphire Rapids).
    """
    if has_tiles():
        return True
    is_quick = torch.cpu._is_avx512_bf16_supported() and not is_intel()
    return is_quick and (batch - FEW) * weights >= WORTH_ROUNDING


@cache
def _least_of_onednn() -> float:
    return LARGE if library() == "oneDNN" else math.inf


def is_large(multiplications: float) -> bool:
    """Whether oneDNN gives a product of so many multiplications sooner."""
    return multiplications >= _least_of_onednn()


def for_network(net: nn.Module, images: int) -> AbstractContextManager[None]:
    """A context for passes of so many images, with oneDNN where it pays for the mean of all fully
    connected layers: torch calls it for small ones as well."""
    weights = [each.weight.numel() for each in net.modules() if isinstance(each, nn.Linear)]
    pays = bool(weights) and is_large(images * fmean(weights))
    return OneDNN() if pays else nullcontext()


def multiply(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """out <- left right, in the precision of the factors.

    (m, k) times (k, n) gives (m, n); (m, k) times (k,) gives (m,).
    """
    if left.dtype != out.dtype:
        return out.copy_(torch.matmul(left, right))
    if is_large(len(left) * right.numel()):
        with OneDNN():
            return torch.matmul(left, right, out=out)
    return torch.matmul(left, right, out=out)


def accumulate(
    total: Tensor, left: Tensor, right: Tensor, beta: float, alpha: float = 1.0
) -> Tensor:
    """total <- beta total + alpha left right, the product in the precision of its factors.

    Shapes as for `multiply`.
    """
    if left.dtype != total.dtype:
        return total.mul_(beta).add_(torch.matmul(left, right), alpha=alpha)
    if right.ndim == 1:
        return total.addmv_(left, right, beta=beta, alpha=alpha)
    if is_large(len(left) * right.numel()):
        with OneDNN():
            return total.addmm_(left, right, beta=beta, alpha=alpha)
    return total.addmm_(left, right, beta=beta, alpha=alpha)
