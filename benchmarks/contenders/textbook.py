"""The tutorial's loop: torchvision's MNIST through a DataLoader, `.item()` each step."""

from collections.abc import Iterator

from torch import nn
from torch.utils.data import DataLoader

from benchmarks.contenders import MEAN, STD, Contest, serve
from benchmarks.contenders.torch_parts import autocast, network, optimizer
from worker.download import torchvision_datasets


def contender(contest: Contest) -> Iterator[int]:
    datasets = torchvision_datasets()
    from torchvision import transforms  # noqa: PLC0415 (only once its datasets import)

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    trainset = datasets.MNIST(contest.folder, train=True, transform=transform)
    loader = DataLoader(trainset, batch_size=contest.batch, shuffle=True)
    net, criterion = network(contest), nn.CrossEntropyLoss()
    descent = optimizer(net, contest)
    running_loss = 0.0
    while True:
        for inputs, labels in loader:
            descent.zero_grad()
            with autocast(contest):
                loss = criterion(net(inputs), labels)
            loss.backward()
            descent.step()
            running_loss += loss.item()
            yield len(labels)


if __name__ == "__main__":
    serve(contender)
