"""PyTorch's own data-parallel loop, for `torchrun`: each process takes its part of every batch.

    torchrun --nproc-per-node 2 -m benchmarks.contenders.ddp FOLDER BATCH UNITS [UNITS ...]

A network of fully connected layers with ReLU on the decoded MNIST in FOLDER, SGD with momentum,
one thread each, gloo. BATCH is that of all processes together. The first one prints samples a
second, the gradients' bytes, and the seconds that adding them up takes by itself.
"""

import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel

from benchmarks.contenders import MOMENTUM, RATES, Contest

SECONDS, WARM_STEPS = 4.0, 30


def main() -> None:
    folder, batch, *units = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, processes = dist.get_rank(), dist.get_world_size()
    contest = Contest(Path(folder), int(batch), "sgd", "float32", "mlp")
    images, labels = (torch.from_numpy(array) for array in contest.arrays())
    net = DistributedDataParallel(network([784, *map(int, units), 10]))
    descent = optim.SGD(net.parameters(), lr=RATES["sgd"], momentum=MOMENTUM)
    criterion, own = nn.CrossEntropyLoss(), contest.batch // processes
    chance = torch.Generator().manual_seed(rank)

    def step() -> None:
        chosen = torch.randint(len(labels), (own,), generator=chance)
        descent.zero_grad()
        criterion(net(images[chosen]), labels[chosen]).backward()
        descent.step()

    rate = contest.batch / seconds_of(step)
    flat = torch.zeros(sum(each.numel() for each in net.parameters()))
    added = seconds_of(lambda: dist.all_reduce(flat))
    dist.barrier()
    if rank == 0:
        print(rate, flat.nbytes, added, flush=True)
    os._exit(0)  # torch 2.13 sometimes aborts while it takes gloo's threads down


def network(units: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(units):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def seconds_of(work: Callable[[], object]) -> float:
    """Mean over as many calls as the first process makes in a few seconds, the same for all."""
    for _ in range(WARM_STEPS):
        work()
    began = time.perf_counter()
    for _ in range(WARM_STEPS):
        work()
    number = torch.tensor(SECONDS * WARM_STEPS / (time.perf_counter() - began)).ceil()
    dist.broadcast(number, 0)
    began = time.perf_counter()
    for _ in range(int(number)):
        work()
    return (time.perf_counter() - began) / int(number)


if __name__ == "__main__":
    main()
