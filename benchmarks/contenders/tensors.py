"""PyTorch's eager loop on tensors in memory, the loss read every 100 batches."""

from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.contenders import Contest, serve
from benchmarks.contenders.torch_parts import autocast, network, optimizer


def contender(contest: Contest) -> Iterator[int]:
    images, labels = (torch.from_numpy(array) for array in contest.arrays())
    net, criterion = network(contest), nn.CrossEntropyLoss()
    descent = optimizer(net, contest)
    while True:
        order = torch.randperm(len(labels))
        for number, chosen in enumerate(order.split(contest.batch)):
            descent.zero_grad()
            with autocast(contest):
                loss = criterion(net(images[chosen]), labels[chosen])
            loss.backward()
            descent.step()
            if number % 100 == 0:
                loss.item()
            yield len(chosen)


if __name__ == "__main__":
    serve(contender)
