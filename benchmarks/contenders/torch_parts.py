"""What the PyTorch loops have in common: the network and its optimizer, as tutorials have them."""

import torch
from torch import nn, optim

from benchmarks.contenders import MOMENTUM, RATES, Contest


def network() -> nn.Sequential:
    torch.set_num_threads(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))


def optimizer(net: nn.Module, contest: Contest) -> optim.Optimizer:
    rate = RATES[contest.optimizer]
    if contest.optimizer == "adam":
        return optim.Adam(net.parameters(), lr=rate)
    return optim.SGD(net.parameters(), lr=rate, momentum=MOMENTUM)


def autocast(contest: Contest) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=contest.precision == "bfloat16")
