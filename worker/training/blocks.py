"""The chain rule with the mini-batches of the first layer taken a block at a time.

The same steps as in `backpropagation`, regrouped. A step of a small mini-batch reads and writes all
weights and velocities of the first layer to add a product of rank B to them, and that traffic is
most of its time. But the inputs x_0 .. x_{K-1} of the next K mini-batches are known beforehand, and
SGD is linear in its gradients d_j^T x_j. Let W and v be the weights and velocities of the first
layer where a block begins. After k of its steps they are

    W_k = A_k W + C_k v + sum over j < k of w_kj d_j^T x_j
    v_k = a_k W + c_k v + sum over j < k of u_kj d_j^T x_j

with scalars that follow from the rates, the momentum and the weight decay (`Scalars`). Therefore

    z_k = A_k x_k W^T + C_k x_k v^T + sum over j < k of w_kj (x_k x_j^T) d_j

takes one product of all K B rows with W, one with v, their inner products x_k x_j^T, and one small
product in each step. W and v are written once, after the last step. A bias is the weight of an
input that is always 1, so that it adds 1 to each inner product. docs/blocks.md derives all this.

Within a block the parameters of the first layer are those of its beginning; all others are up to
date. A generator that is closed within a block brings them up to date first.
"""

import sys
from collections.abc import Generator, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from worker.training import descent
from worker.training.backpropagation import Activations, Propagation, activations
from worker.training.block_scalars import Scalars, Sum
from worker.training.dense import Dense
from worker.training.loop import Batch, Criterion, Step
from worker.training.products import accumulate, multiply


def train(
    layers: list[Dense],
    criterion: Criterion,
    optimizer: Optimizer,
    batches: Iterable[Batch],
    *,
    length: int,
    done: int = 0,
) -> Generator[Step, None, None]:
    """Trains fully connected layers on each batch in turn, at most `length` of them to a block.

    `done` batches of the first block have been trained on before. The optimizer is SGD, and nothing
    such as clipping comes before it. Products have the precision of the weights.
    """
    rule = Blocks(layers, criterion, optimizer, length)
    for block in divided(batches, length, done):
        yield from rule.steps(block)


def divided(batches: Iterable[Batch], length: int, done: int = 0) -> Iterator[list[Batch]]:
    """Blocks of `length` batches; the first and the last may have fewer.

    All batches of a block have the same size: a smaller one, the last of an epoch, begins another.
    """
    block: list[Batch] = []
    room = length - done
    for batch in batches:
        if block and batch[1].shape != block[0][1].shape:
            yield block
            block, room = [], length
        block.append(batch)
        if len(block) == room:
            yield block
            block, room = [], length
    if block:
        yield block


class Buffers:
    """Those of a block of K mini-batches of B images, N = K B rows."""

    def __init__(self, layers: list[Dense], batch: int, length: int) -> None:
        like = layers[0].weight
        rows, (units, inputs) = batch * length, like.shape
        new = partial(torch.empty, dtype=like.dtype)
        self.inputs = new(rows, inputs)
        """x."""
        self.ones = torch.ones(rows, 1, dtype=like.dtype)
        self.gram = new(rows, rows)
        """x x^T + 1."""
        self.sums = new(rows, units)
        """x W^T + b; from its step on, z."""
        self.velocity_sums = new(rows, units)
        """x v^T + b_v."""
        self.errors = new(rows, units)
        """d."""
        self.scaled = new(2, length, batch, units)
        """d, times the factors of W and of v."""
        self._layers, self._batch = layers, batch
        self._steps: list[tuple[Products, list[Activations]]] = []

    def of_step(self, k: int) -> tuple["Products", list[Activations]]:
        """Those of the step k of a block. What it yields stays as it is until the block ends."""
        while len(self._steps) <= k:  # most blocks of a small last mini-batch have one step
            start = len(self._steps) * self._batch
            rows = slice(start, start + self._batch)
            at = activations(self._layers, self._batch, self.sums.dtype, self.sums[rows])
            at[0].error = self.errors[rows]
            self._steps.append((Products(self, self._batch, rows), at))
        return self._steps[k]


class Products:
    """The inner products of one step's inputs x_k with those of the steps before, (B, k B)."""

    def __init__(self, buffers: Buffers, batch: int, rows: slice) -> None:
        before = rows.start
        self._gram = buffers.gram[rows, :before].view(batch, before // batch, batch)
        self._weighted = torch.empty(batch, before // batch, batch, dtype=buffers.gram.dtype)
        self._flat = self._weighted.view(batch, before)
        self._errors = buffers.errors[:before]
        self._sums, self._velocity_sums = buffers.sums[rows], buffers.velocity_sums[rows]

    def complete(self, weights: Sum, *, has_velocity: bool) -> None:
        """z_k, in its place, with what W_k is made of."""
        torch.mul(self._gram, weights.of_gradients, out=self._weighted)
        accumulate(self._sums, self._flat, self._errors, weights.of_weights)
        if has_velocity:
            self._sums.add_(self._velocity_sums, alpha=weights.of_velocities)


class Blocks:
    """Steps of gradient descent for one network."""

    def __init__(
        self, layers: list[Dense], criterion: Criterion, optimizer: Optimizer, length: int
    ) -> None:
        self._layers = layers
        self._first, *self._behind = layers
        self._weights = [layer.weight for layer in layers]
        self._biases = [layer.bias for layer in layers]
        self._velocities = descent.velocities(self._first, optimizer)
        self._propagate = Propagation(layers, criterion, self._first.weight.dtype)
        self._update = descent.updating(self._behind, optimizer)
        self._scalars = Scalars(optimizer.param_groups[0], length, self._first.weight.dtype)
        self._length = length
        self._together = descent.rows_together(self._first.weight)
        for parameter in self._first.parameters:  # or an optimizer for the others would use it
            parameter.grad = None
        self._all_buffers: dict[int, Buffers] = {}
        self._made = 0

    def steps(self, block: list[Batch]) -> Iterator[Step]:
        """The steps of one block."""
        self._begin(block)
        try:
            for _, labels in block:
                outputs, loss = self._step(labels)
                is_last = self._made == len(block)
                if is_last:
                    self._settle()
                yield Step(labels, outputs, loss, None if is_last else self)
        finally:
            if not sys.is_finalizing():  # torch aborts there, and nobody needs the weights
                self._settle()

    def _begin(self, block: list[Batch]) -> None:
        """What can be computed before the first step."""
        batch = len(block[0][1])
        if batch not in self._all_buffers:
            self._all_buffers[batch] = Buffers(self._layers, batch, self._length)
        self._buffers, self._batch = self._all_buffers[batch], batch
        self._scalars.begin()
        at, rows = self._buffers, len(block) * batch
        inputs = at.inputs[:rows]
        torch.cat([images.flatten(1) for images, _ in block], out=inputs)
        multiply(inputs, inputs.t(), at.gram[:rows, :rows]).add_(1)
        multiply(inputs, self._first.weight.t(), at.sums[:rows]).add_(self._first.bias)
        if self._velocities is not None:
            velocity, of_bias = self._velocities
            multiply(inputs, velocity.t(), at.velocity_sums[:rows]).add_(of_bias)

    def _step(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and loss of the next step."""
        k, buffers = self._made, self._buffers
        products, at = buffers.of_step(k)
        if k:
            has_velocity = self._velocities is not None
            products.complete(self._scalars.weights, has_velocity=has_velocity)
        found = self._propagate(self._weights, self._biases, at, labels)
        if not self._behind:  # the first layer is the output layer, with the error of the loss
            buffers.errors.view(self._length, self._batch, -1)[k] = at[0].error
        for number, layer in enumerate(self._behind, 1):
            self._update(layer, at[number].error.t(), at[number - 1].output)
        self._update.finish()
        self._scalars.step()
        self._made += 1
        return found

    def _settle(self) -> None:
        """Brings the parameters of the first layer up to date."""
        if not self._made:
            return
        rows, layer = self._made * self._batch, self._first
        inputs, ones = self._buffers.inputs[:rows], self._buffers.ones[:rows]
        weight, bias = layer.weight, layer.bias.unsqueeze(1)
        error = self._scaled_errors(0, self._scalars.weights)
        if self._velocities is None:
            kept = self._scalars.weights.of_weights
            accumulate(weight, error, inputs, kept)
            accumulate(bias, error, ones, kept)
        else:
            velocity, of_bias = self._velocities
            of_velocity = self._scaled_errors(1, self._scalars.velocities)
            whole = (weight, velocity, error, of_velocity)
            split = (each.split(self._together) for each in whole)
            for w, v, d, d_v in zip(*split, strict=True):
                self._move(w, v, d, d_v, inputs)
            self._move(bias, of_bias.unsqueeze(1), error, of_velocity, ones)
        self._made = 0

    def _move(
        self, weight: Tensor, velocity: Tensor, error: Tensor, of_velocity: Tensor, inputs: Tensor
    ) -> None:
        """Puts W_k and v_k in the place of W and v, from errors that are scaled by their factors.

        A part of the weights at a time, as in `descent`, so that they are still in the cache.
        """
        new, new_velocity = self._scalars.weights, self._scalars.velocities
        before = weight.clone() if new_velocity.of_weights else None  # with weight decay
        accumulate(weight, error, inputs, new.of_weights).add_(velocity, alpha=new.of_velocities)
        accumulate(velocity, of_velocity, inputs, new_velocity.of_velocities)
        if before is not None:
            velocity.add_(before, alpha=new_velocity.of_weights)

    def _scaled_errors(self, number: int, of: Sum) -> Tensor:
        """d times the factors of a sum, transposed: (units, rows)."""
        k, buffers = self._made, self._buffers
        errors = buffers.errors[: k * self._batch].view(k, self._batch, -1)
        factors = of.of_gradients.unsqueeze(2)
        scaled = torch.mul(errors, factors, out=buffers.scaled[number, :k])
        return scaled.view(k * self._batch, -1).t()

    def first_weights(self, rows: slice) -> Tensor:
        """Some rows of the first layer's weights as they are after the newest step."""
        of = self._scalars.weights
        inputs = self._buffers.inputs[: self._made * self._batch]
        found = torch.mm(self._scaled_errors(0, of)[rows], inputs)
        found.add_(self._first.weight[rows], alpha=of.of_weights)
        if self._velocities is not None:
            found.add_(self._velocities[0][rows], alpha=of.of_velocities)
        return found
