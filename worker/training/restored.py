"""A trained network again, from the file of its weights: to be asked, or to be trained further."""

import json
from typing import Any

import msgspec
import torch
from safetensors.torch import load
from torch import Tensor, nn

from app.jobspec import JobSpec
from app.rows.columns import Column
from worker.training import networks
from worker.training.dataset import Description, TableDescription
from worker.training.inputs import scale


class Restored(nn.Module):
    """A network that begins with how its training brought examples to a common scale."""

    def __init__(self, description: Description | TableDescription, net: nn.Sequential) -> None:
        super().__init__()
        self.classes = description.classes
        """Name of each class, in the order of the logits."""
        self.description = description
        self.net = net

    def forward(self, examples: Tensor) -> Tensor:
        """Logits (B, classes), on the device of the examples, where the network must be, too.

        Of pictures (B, C, H, W) in the model's pixel range. Of a table (B, columns) in their order:
        numbers, days since 1970 and the places of categories, NaN where a number is missing and -1
        where a category is none that was trained on.
        """
        own = examples.to(torch.float32, copy=True)  # it is scaled in place
        logits: Tensor = self.net(scale(self.description, own.device)(own))
        return logits


def restored(content: bytes) -> Restored:
    """The network of a safetensors file as `export.weights` writes it, in evaluation mode."""
    length = int.from_bytes(content[:8], "little")
    texts = json.loads(content[8 : 8 + length])["__metadata__"]
    facts = {name: json.loads(text) for name, text in texts.items()}
    spec = JobSpec.stored(facts["spec"])
    net = networks.blank(spec.layers)
    net.load_state_dict(load(content), assign=True)
    return Restored(_described(facts), net.requires_grad_(True)).eval()


def _described(facts: dict[str, Any]) -> Description | TableDescription:
    known = {"name": facts["spec"]["dataset"]["name"], "sha256": "", **facts}
    if "columns" in facts:
        columns = [Column.from_json(column) for column in facts["columns"]]
        fields = {"name": known["name"], "target": facts["target"], "classes": facts["classes"]}
        return TableDescription(**fields, columns=columns, sha256="")
    return msgspec.convert(known, Description)
