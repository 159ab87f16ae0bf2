"""The style of pytorch/examples' mnist/main.py: its loader and loop, the loss read each 10 batches.

With the contest's network instead of its convolutions, and otherwise as written there: NLL of a
log-softmax, images moved to the device, a line each `log_interval` batches.
"""

from collections.abc import Iterator

import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from benchmarks.contenders import MEAN, STD, Contest, serve
from benchmarks.contenders.torch_parts import autocast, network, optimizer
from worker.download import torchvision_datasets

LOG_INTERVAL = 10


def contender(contest: Contest) -> Iterator[int]:
    datasets = torchvision_datasets()
    from torchvision import transforms  # noqa: PLC0415 (only once its datasets import)

    device = torch.device("cpu")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    trainset = datasets.MNIST(contest.folder, train=True, transform=transform)
    loader = DataLoader(trainset, batch_size=contest.batch, shuffle=True)
    model = network(contest).to(device)
    descent = optimizer(model, contest)
    model.train()
    while True:
        for batch, (data, target) in enumerate(loader):
            data, target = data.to(device), target.to(device)
            descent.zero_grad()
            with autocast(contest):
                output = functional.log_softmax(model(data), dim=1)
                loss = functional.nll_loss(output, target)
            loss.backward()
            descent.step()
            if batch % LOG_INTERVAL == 0:
                loss.item()
            yield len(target)


if __name__ == "__main__":
    serve(contender)
