"""The optimizers step as torch's own do, and load nothing of its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn, optim

from worker.training import optimizers

NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]
TRAINED = f"""
import sys
import torch
from worker.training import optimizers

for name in {NAMES}:
    net = torch.nn.Linear(3, 2)
    for _ in range(2):
        optimizer = getattr(optimizers, name)(net.parameters(), lr=0.1)
        optimizer.zero_grad()
        net(torch.ones(4, 3)).sum().backward()
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""


def test_no_compiler_is_loaded() -> None:
    subprocess.run([sys.executable, "-P", "-c", TRAINED], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_are_torchs(name: str) -> None:
    nets = []
    for kinds in (optim, optimizers):
        torch.manual_seed(1)
        net = nn.Linear(3, 2)
        optimizer = getattr(kinds, name)(net.parameters(), lr=0.1, weight_decay=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.rand(4, 3)).square().sum().backward()
            optimizer.step()
        other = getattr(kinds, name)(net.parameters(), lr=1.0)
        other.load_state_dict(optimizer.state_dict())
        other.step()
        assert not any(parameter.grad_fn for parameter in net.parameters())
        nets.append(torch.cat([each.detach().ravel() for each in net.parameters()]))
    assert torch.equal(*nets)
