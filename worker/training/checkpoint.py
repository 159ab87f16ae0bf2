"""A run between two steps, as bytes: safetensors with a JSON header, no pickle.

With these a run goes on bit for bit: weights and buffers, the optimizer's state with its counts,
the generator that dropout draws from, the epoch's sums, the position, and what schedule and early
stopping remember. Orders and distortions need nothing, they follow from seed, epoch and batch.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

HEADER = "traind"
Tensors = dict[str, Tensor]


@dataclass
class Snapshot:
    """Named groups of tensors, and values that JSON holds exactly."""

    values: dict[str, Any]
    tensors: dict[str, Tensors] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The snapshot as safetensors; each tensor is named `group/name`."""
        flat = {
            f"{group}/{name}": tensor.detach().cpu().contiguous()
            for group, tensors in self.tensors.items()
            for name, tensor in tensors.items()
        }
        return save(flat, metadata={HEADER: json.dumps(self.values)})

    @classmethod
    def decode(cls, content: bytes) -> "Snapshot":
        """The snapshot that was encoded."""
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        tensors: dict[str, Tensors] = {}
        for path, tensor in load(content).items():
            group, _, name = path.partition("/")
            tensors.setdefault(group, {})[name] = tensor
        return cls(json.loads(metadata[HEADER]), tensors)


def network_state(net: nn.Module) -> Tensors:
    """Weights and buffers, copied: training goes on in the originals."""
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def optimizer_state(optimizer: Optimizer) -> Tensors:
    """What the optimizer keeps of each parameter, named `number.key`. Settings are the spec's."""
    kept = optimizer.state_dict()["state"]
    return {
        f"{number}.{key}": torch.as_tensor(value)
        for number, state in kept.items()
        for key, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: Optimizer, tensors: Tensors) -> None:
    """Puts kept state back into an optimizer of the same spec.

    Copied, for the tensors lie at any byte of the checkpoint: the last bits of a product depend on
    how its factors are aligned in memory.
    """
    held: dict[int, Tensors] = {}
    for path, tensor in tensors.items():
        number, _, key = path.partition(".")
        held.setdefault(int(number), {})[key] = tensor.clone()
    optimizer.load_state_dict(optimizer.state_dict() | {"state": held})
