"""A trained network's weights as a file that needs no PyTorch, and their digest."""

import json
from hashlib import sha256
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn


def weights(net: nn.Module, metadata: dict[str, Any]) -> bytes:
    """The state dict as safetensors; each metadata value is JSON."""
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    return save(_tensors(net), metadata=texts)


def weights_sha256(net: nn.Module) -> str:
    """Digest of names, shapes and bytes of all tensors in the order of the state dict."""
    digest = sha256()
    for name, tensor in _tensors(net).items():
        digest.update(f"{name}:{tensor.dtype}:{list(tensor.shape)};".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _tensors(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}
