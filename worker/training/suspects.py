"""Training examples that are probably labelled wrongly, as a trained network sees them.

The suspicion of an example is the mean of two published scores. One is 1 less the probability that
the network gives its label (self-confidence, Northcutt, Jiang and Chuang 2021). The other is the
fraction of its ten nearest neighbours with another label, where distances are those in the last
hidden layer (deep k-NN, Bahri, Jiang and Gupta 2020); it still tells where the network has learned
wrong labels by heart.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.training.batches import Images
from worker.training.evaluation import batch_size

EXAMPLES = 3000
"""Most training examples that are asked, at equal distances."""
FEWEST, PIXELS = 200, EXAMPLES * 64 * 64
"""Of images above 64x64 pixels it asks fewer: together they have at most this many pixels."""
NEIGHBOURS = 10
AGREED = 8
"""Neighbours that must agree on another label to doubt an example's own."""
LIFT = 2.0
"""How much higher the odds of the other label must be among the neighbours than among all examples:
nearly all neighbours of a rare class' examples may be of the frequent one, where they overlap."""
UNSURE = 0.25
"""The neighbours of an example disagree if more than this fraction of them has its label, and more
than this fraction has another."""
ROWS = 500
"""Examples whose distances to all others are in memory at once."""
WORST = 20
"""Most examples that are named."""


class Suspect(NamedTuple):
    """An example whose label is doubtful."""

    row: int
    """Where it is in the training part of the dataset."""
    label: int
    suggested: int
    """The class that the network gives it."""
    suspicion: float
    """From 0 to 1."""


class Suspects(NamedTuple):
    """What a network says of the labels that it was trained on."""

    asked: int
    doubted: int
    """Examples with another label than nearly all of their neighbours."""
    unsure: int
    """Examples whose neighbours disagree, as they do where classes overlap."""
    worst: list[Suspect]
    """The most suspicious ones that it gives another class, or most of whose neighbours have it."""


@torch.inference_mode()
def find(net: nn.Sequential, training: Images, classes: int) -> Suspects:
    """Asks the network in evaluation mode; uses no random numbers."""
    net.eval()
    fitting = max(FEWEST, PIXELS // training.pixels)
    sample = training.sample(min(EXAMPLES, fitting))
    features, probabilities = _seen(net, sample)
    labels = sample.labels.cpu()
    votes = _votes(features, labels, classes)
    predicted = probabilities.argmax(1)
    own = labels[:, None]
    alike = votes.gather(1, own).squeeze(1) / votes.sum(1).clamp(min=1)
    confidence = probabilities.gather(1, own).squeeze(1)
    suspicion = 1 - (confidence + alike) / 2
    others = votes.scatter(1, own, 0)
    differs = predicted != labels
    # A dead network sees everything alike: its neighbours tell nothing.
    told = votes.sum(1) <= len(labels) / 2
    most, other = others.max(1)
    agreed = most >= AGREED / NEIGHBOURS * votes.sum(1)
    odds = (most + 0.5) / (votes.sum(1) - most + 0.5)
    share = labels.bincount(minlength=classes)[other] / len(labels)
    doubted = told & agreed & (odds > LIFT * share / (1 - share).clamp(min=1e-9))
    unsure = told & (alike > UNSURE) & (alike < 1 - UNSURE)
    suggested = torch.where(differs, predicted, others.argmax(1))
    order = suspicion.argsort(descending=True, stable=True)
    doubtful = order[(differs | (alike < 0.5))[order]][:WORST]
    rows = sample.origins
    return Suspects(
        len(labels),
        int(doubted.sum()),
        int(unsure.sum()),
        [
            Suspect(int(rows[at]), int(labels[at]), int(suggested[at]), float(suspicion[at]))
            for at in doubtful
        ],
    )


def _seen(net: nn.Sequential, images: Images) -> tuple[Tensor, Tensor]:
    """What goes into the last layer, (N, units), and the probabilities, (N, classes)."""
    last = max(at for at, module in enumerate(net) if isinstance(module, nn.Linear))
    features, probabilities = [], []
    for batch, _ in images.in_order(batch_size(images)):
        hidden = net[:last](batch)
        features.append(hidden.flatten(1).cpu())
        probabilities.append(net[last:](hidden).softmax(1).cpu())
    return torch.cat(features), torch.cat(probabilities)


def _votes(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """How many of each example's nearest others have each label, (N, classes).

    All that are as near as the last of them count, so that chance does not choose among equals.
    """
    one_hot = functional.one_hot(labels, classes).float()
    votes = []
    for start in range(0, len(features), ROWS):
        distances = torch.cdist(features[start : start + ROWS], features)
        distances[torch.arange(len(distances)), torch.arange(start, start + len(distances))] = (
            torch.inf
        )
        count = min(NEIGHBOURS, len(features) - 1)
        farthest = distances.topk(count, largest=False).values[:, -1:]
        votes.append((distances <= farthest).float() @ one_hot)
    return torch.cat(votes)
