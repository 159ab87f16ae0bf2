"""Matrix products, each by the faster of two libraries.

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
"""Multiplications in a product from which oneDNN is faster."""
FEW = 24
"""Images in a mini-batch for which bfloat16 saves the time that converting the weights takes."""
WORTH_BFLOAT16 = 20_000_000
"""Weights times images beyond `FEW` from which bfloat16 also saves the time of its slower calls."""
UNROUNDED = 1 + 2**-12
"""A number that float32 can hold and bfloat16 cannot."""

# torch puts it there at import, where mypy does not see it
_torch_setting = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


class OneDNN:
    """A context in which oneDNN computes torch's float32 products.

    torch's only setting for this also allows oneDNN to round the factors to bfloat16. oneDNN does
    so only on processors with AMX, where `library` does not choose it.
    """

    def __enter__(self) -> None:
        self._before = _torch_setting.fp32_precision
        _torch_setting.fp32_precision = "bf16"

    def __exit__(self, *_: object) -> None:
        _torch_setting.fp32_precision = self._before


@cache
def library() -> Literal["oneDNN", "default"]:
    """What computes large products in float32 on this processor: oneDNN, or what torch takes by
    default, which is MKL on x86."""
    is_wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if not is_wide or has_tiles() or is_intel() or not _keeps_float32():
        return "default"
    return "oneDNN"


def has_tiles() -> bool:
    """Whether the processor has tiles for products in bfloat16 (AMX)."""
    return torch.cpu._is_amx_tile_supported()


@cache
def is_intel() -> bool:
    """Whether the processor is Intel's, for which MKL has its fastest products; True if unknown."""
    return not CPUINFO.exists() or "GenuineIntel" in CPUINFO.read_text()


def _keeps_float32() -> bool:
    """Whether oneDNN multiplies without rounding to bfloat16. A later version might round."""
    ones = torch.ones(128, 128)
    with OneDNN():
        found = torch.mm(ones * UNROUNDED, ones)
    return bool((found == len(ones) * UNROUNDED).all())


def bfloat16_is_faster(batch: int, weights: int) -> bool:
    """Whether the chain rule's steps are faster with products in bfloat16 than in float32.

    With AMX they always are. Intel's processors without it take twice as long (Sapphire Rapids).
    """
    if has_tiles():
        return True
    is_quick = torch.cpu._is_avx512_bf16_supported() and not is_intel()
    return is_quick and (batch - FEW) * weights >= WORTH_BFLOAT16


@cache
def _least_of_onednn() -> float:
    return LARGE if library() == "oneDNN" else math.inf


def is_large(multiplications: float) -> bool:
    """Whether oneDNN is faster at a product with this number of multiplications."""
    return multiplications >= _least_of_onednn()


def for_network(net: nn.Module, images: int) -> AbstractContextManager[None]:
    """A context for passes of a mini-batch of `images` through a network.

    In it oneDNN computes the products of all fully connected layers, large or small. So it is used
    only where a layer of mean size has a large product.
    """
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
