"""The loop is the textbook's: the same bits as the code in the tutorial."""

import torch
from torch import nn, optim

from worker.training.loop import train

BATCHES = [
    (torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(n)), torch.arange(8) % 3)
    for n in range(20)
]


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 3)
    )


def test_it_takes_the_steps_of_the_tutorial_bit_for_bit() -> None:
    criterion = nn.CrossEntropyLoss()
    ours = network()
    optimizer = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    our_losses = [step.loss.item() for step in train(ours, criterion, optimizer, BATCHES)]

    theirs = network()
    optimizer = optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    their_losses = []
    for inputs, labels in BATCHES:
        optimizer.zero_grad()
        outputs = theirs(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        their_losses.append(loss.item())

    assert our_losses == their_losses
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_each_yield_is_a_boundary_at_which_the_step_is_done_and_the_next_not_begun() -> None:
    net = network()
    drawn = 0

    def batches():  # noqa: ANN202
        nonlocal drawn
        for batch in BATCHES:
            drawn += 1
            yield batch

    optimizer = optim.SGD(net.parameters(), lr=0.1)
    before = net[1].weight.detach().clone()
    steps = train(net, nn.CrossEntropyLoss(), optimizer, batches())
    next(steps)
    assert drawn == 1
    assert not torch.equal(before, net[1].weight)
