"""A trained network as files that need no PyTorch: safetensors weights and an ONNX graph."""

import json
import warnings
from hashlib import sha256
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from worker.training.dataset import Description


class Pixels(nn.Module):
    """Normalizes raw pixels, so that the exported graph takes what an image holds."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self._highest = description.pixel_range[1]
        self._mean = torch.tensor(description.mean).view(-1, 1, 1)
        self._std = torch.tensor(description.std).view(-1, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """float32 (B, C, H, W) in the dataset's pixel range to the same shape, normalized."""
        normalized: Tensor = (pixels / self._highest - self._mean) / self._std
        return normalized


def onnx(net: nn.Module, description: Description) -> bytes:
    """An ONNX graph from `pixels`, float32 (B, C, H, W), to `probabilities`, (B, classes)."""
    whole = nn.Sequential(Pixels(description), net, nn.Softmax(dim=1)).eval()
    example = torch.zeros(2, *description.input_shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own internals
        program = torch.onnx.export(
            whole,
            (example,),
            input_names=["pixels"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the ONNX exporter returned no program")
    graph: bytes = program.model_proto.SerializeToString()
    return graph


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
