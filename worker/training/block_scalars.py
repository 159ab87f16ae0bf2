"""What the weights and velocities after each step of a block are made of (blocks.py).

W_k = A_k W + C_k v + sum over j < k of w_kj d_j^T x_j
v_k = a_k W + c_k v + sum over j < k of u_kj d_j^T x_j
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Numbers = npt.NDArray[np.float64]


class Sum(NamedTuple):
    """The factors of one of the two sums, in the precision of the weights.

    Where training diverges they may be infinite in it. Torch refuses a float64 that is too large.
    """

    of_weights: float
    """A_k or a_k."""
    of_velocities: float
    """C_k or c_k."""
    of_gradients: Tensor
    """w_kj or u_kj, (k, 1)."""


class Scalars:
    """The two sums, from step to step. They are computed in float64."""

    def __init__(self, group: dict[str, Any], length: int, dtype: torch.dtype) -> None:
        """`group` is the optimizer's, and has the rate of each step when the step is made."""
        self._group = group
        self._dtype = dtype
        self._rates: list[float] = []
        self._numbers: list[tuple[Numbers, Numbers]] = []
        self._sums: list[tuple[Sum, Sum]] = []
        self._store(0, *np.eye(2, 2 + length))  # W_0 = W and v_0 = v
        self.begin()

    def begin(self) -> None:
        """Goes to the beginning of a block."""
        self._k = 0
        self.weights, self.velocities = self._sums[0]

    def step(self) -> None:
        """From W_k and v_k to the next ones; those of the block before while rates are the same.

        As torch's SGD has it: g = d_k^T x_k + decay W_k, v_{k+1} = m v_k + g, and
        W_{k+1} = W_k - rate v_{k+1}, with Nesterov W_k - rate (g + m v_{k+1}).
        """
        k, rate = self._k, self._group["lr"]
        if self._rates[k : k + 1] != [rate]:
            momentum = self._group["momentum"]
            weight, velocity = self._numbers[k]
            gradient = self._group["weight_decay"] * weight
            gradient[2 + k] += 1.0
            velocity = momentum * velocity + gradient
            change = gradient + momentum * velocity if self._group["nesterov"] else velocity
            self._rates[k:] = [rate]
            self._store(k + 1, weight - rate * change, velocity)
        self._k += 1
        self.weights, self.velocities = self._sums[self._k]

    def _store(self, k: int, weight: Numbers, velocity: Numbers) -> None:
        """Those after k steps; what was known of later ones holds no more."""
        self._numbers[k:] = [(weight, velocity)]
        self._sums[k:] = [(self._sum(k, weight), self._sum(k, velocity))]

    def _sum(self, k: int, numbers: Numbers) -> Sum:
        rounded = torch.from_numpy(numbers).to(self._dtype)
        of_weights, of_velocities = rounded[:2].tolist()
        return Sum(of_weights, of_velocities, rounded[2 : 2 + k].unsqueeze(1))
