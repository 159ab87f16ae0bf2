"""What the PyTorch loops have in common: the network and its optimizer, as tutorials have them."""

import torch
from torch import nn, optim

from benchmarks.contenders import MOMENTUM, RATES, Contest


def network(contest: Contest) -> nn.Sequential:
    torch.set_num_threads(1)
    if contest.network == "cnn":
        return nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *(nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(1568, 128), nn.BatchNorm1d(128), nn.ReLU()),
            nn.Linear(128, 10),
        )
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))


def optimizer(net: nn.Module, contest: Contest) -> optim.Optimizer:
    rate = RATES[contest.optimizer]
    if contest.optimizer == "adam":
        return optim.Adam(net.parameters(), lr=rate)
    return optim.SGD(net.parameters(), lr=rate, momentum=MOMENTUM)


def autocast(contest: Contest) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=contest.precision == "bfloat16")
