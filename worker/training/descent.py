"""How the gradients that the chain rule gives change the weights."""

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from worker.training import products
from worker.training.dense import Dense
from worker.training.products import accumulate, multiply

TOGETHER = {"default": 100_000, "oneDNN": 400_000}
"""Weights that are updated together, by the library of large products. 100,000 take 400 kB, and
their velocities as much. With oneDNN fewer and larger products are faster."""


class Ones:
    """Vectors of ones: a product with one adds a small mini-batch up 5 us sooner than a sum."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, torch.dtype], Tensor] = {}

    def like(self, error: Tensor) -> Tensor:
        """Ones (B,) for an error transposed, (units, B)."""
        kind = error.shape[1], error.dtype
        if kind not in self._made:
            self._made[kind] = error.new_ones(error.shape[1])
        return self._made[kind]


class Update:
    """Gradients d^T a (units, inputs) stored where the optimizer takes them from."""

    def __init__(self, layers: list[Dense], optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._ones = Ones()
        for layer in layers:
            for parameter in layer.parameters:
                parameter.grad = torch.zeros_like(parameter)

    def __call__(self, layer: Dense, error: Tensor, inputs: Tensor) -> None:
        """Takes a layer's error transposed, (units, B), and its inputs, (B, inputs)."""
        weight, bias = (parameter.grad for parameter in layer.parameters)
        if weight is None or bias is None:
            raise ValueError("something has removed the gradient's buffers")
        multiply(error, inputs, weight)
        multiply(error, self._ones.like(error), bias)

    def finish(self) -> None:
        """Ends the step."""
        self._optimizer.step()


class FusedAdam(Update):
    """Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) by torch's fused kernel.

    A block of rows at a time, so that its gradient is still in the cache when it is used.
    """

    def __init__(self, layers: list[Dense], optimizer: Optimizer) -> None:
        self._ones = Ones()
        self._group = optimizer.param_groups[0]
        is_decoupled = self._group["decoupled_weight_decay"]
        self._move = torch._fused_adamw_ if is_decoupled else torch._fused_adam_
        self._steps: dict[Dense, list[Tensor]] = {}
        self._blocks: dict[Dense, list[tuple[Tensor, Tensor, Tensor, Tensor]]] = {}
        self._biases: dict[Dense, tuple[Tensor, Tensor, Tensor, Tensor]] = {}
        for layer in layers:
            of_weight, of_bias = (
                _adam_state(optimizer, parameter) for parameter in layer.parameters
            )
            self._steps[layer] = [of_weight["step"], of_bias["step"]]
            rows = rows_together(layer.weight)
            gradient = torch.empty_like(layer.weight[:rows])
            whole = layer.weight, of_weight["exp_avg"], of_weight["exp_avg_sq"]
            self._blocks[layer] = [
                (gradient[: len(weight)], weight, mean, square)
                for weight, mean, square in zip(*(each.split(rows) for each in whole), strict=True)
            ]
            moments = of_bias["exp_avg"], of_bias["exp_avg_sq"]
            self._biases[layer] = torch.empty_like(layer.bias), layer.bias, *moments

    def __call__(self, layer: Dense, error: Tensor, inputs: Tensor) -> None:
        """Takes a layer's error transposed, (units, B), and its inputs, (B, inputs)."""
        steps, blocks = self._steps[layer], self._blocks[layer]
        torch._foreach_add_(steps, 1)
        parts = error.split(len(blocks[0][0])) if len(blocks) > 1 else (error,)
        for (gradient, *block), part in zip(blocks, parts, strict=True):
            multiply(part, inputs, gradient)
            self._step(gradient, block, steps[0])
        gradient, *bias = self._biases[layer]
        multiply(error, self._ones.like(error), gradient)
        self._step(gradient, bias, steps[1])

    def _step(self, gradient: Tensor, block: list[Tensor], step: Tensor) -> None:
        parameter, mean, square = block
        group = self._group
        beta1, beta2 = group["betas"]
        self._move(
            [parameter],
            [gradient],
            [mean],
            [square],
            [],
            [step],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )

    def finish(self) -> None:
        """Ends the step: every layer is up to date."""


class Descent(Update):
    """SGD with its velocities v <- m v + d^T a; W <- W - rate v, accumulated in the product.

    A block of rows at a time, so that its velocity is still in the cache when it is subtracted.
    """

    def __init__(self, layers: list[Dense], optimizer: Optimizer) -> None:
        self._ones = Ones()
        self._group = optimizer.param_groups[0]
        self._momentum = self._group["momentum"]
        self._decay = self._group["weight_decay"]
        self._blocks: dict[Dense, list[tuple[Tensor, Tensor]]] = {}
        self._biases: dict[Dense, tuple[Tensor, Tensor]] = {}
        for layer in layers:
            velocity, bias_velocity = velocities(layer, optimizer) or (layer.weight, layer.bias)
            rows = rows_together(layer.weight)
            blocks = zip(layer.weight.split(rows), velocity.split(rows), strict=True)
            self._blocks[layer] = list(blocks)
            self._biases[layer] = layer.bias, bias_velocity

    def __call__(self, layer: Dense, error: Tensor, inputs: Tensor) -> None:
        """Takes a layer's error transposed, (units, B), and its inputs, (B, inputs)."""
        blocks = self._blocks[layer]
        parts = error.split(len(blocks[0][0])) if len(blocks) > 1 else (error,)
        for (weight, velocity), part in zip(blocks, parts, strict=True):
            self._descend(weight, velocity, part, inputs)
        self._descend(*self._biases[layer], error, self._ones.like(error))

    def _descend(self, weight: Tensor, velocity: Tensor, error: Tensor, inputs: Tensor) -> None:
        rate = self._group["lr"]
        if not self._momentum:
            accumulate(weight, error, inputs, 1 - rate * self._decay, -rate)
            return
        accumulate(velocity, error, inputs, self._momentum, 1)
        if self._decay:
            velocity.add_(weight, alpha=self._decay)
        weight.add_(velocity, alpha=-rate)

    def finish(self) -> None:
        """Ends the step: every layer is up to date."""


def velocities(layer: Dense, optimizer: Optimizer) -> tuple[Tensor, Tensor] | None:
    """SGD's own, of weights and biases, at first zero; None without momentum."""
    if not optimizer.param_groups[0]["momentum"]:
        return None
    weight, bias = (
        optimizer.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter))
        for parameter in layer.parameters
    )
    return weight, bias


def _adam_state(optimizer: Optimizer, parameter: Tensor) -> dict[str, Tensor]:
    """Adam's own, as it makes it in its first step: the means of gradients and of their squares."""
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state["exp_avg"] = torch.zeros_like(parameter)
        state["exp_avg_sq"] = torch.zeros_like(parameter)
    return state


def rows_together(weight: Tensor) -> int:
    """How many rows of a layer's weights (units, inputs) are updated together."""
    return -(-len(weight) // max(1, weight.numel() // TOGETHER[products.library()]))


def updating(layers: list[Dense], optimizer: Optimizer) -> Update:
    """How an optimizer updates these layers."""
    if optimizer._optimizer_step_pre_hooks:  # such as clipping, which needs all gradients
        return Update(layers, optimizer)
    if isinstance(optimizer, SGD) and not optimizer.param_groups[0]["nesterov"]:
        return Descent(layers, optimizer)
    if isinstance(optimizer, Adam):  # AdamW is one, too
        return FusedAdam(layers, optimizer)
    return Update(layers, optimizer)
