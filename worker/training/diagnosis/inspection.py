"""Measures images and labels, independently of the network: once, on a sample."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from worker.training.batches import Images
from worker.training.loop import Batch
from worker.training.measurements import Inspection

TRAINING, OTHERS = 1500, 600
"""Images of each sample."""
SIDE = 64
"""Images of more pixels than a square of this side are averaged down to it: larger samples would
take a GB, and neighbours are no better told by finer detail."""
NEIGHBOURS = 10
CONTRADICTION = 0.8
"""Fraction of the neighbours that must agree on another label to contradict an image's own."""
BINS = 16
"""Bins of a histogram of pixels."""
FEWEST = 40
"""With fewer images a shift cannot be distinguished from chance."""


def inspect(training: Images, others: dict[str, Images], classes: int) -> Inspection:
    """Measures the training images, and compares `others` with them, such as the test images."""
    images, labels = _sample(training, TRAINING)
    flat = images.flatten(1)
    counts = training.labels.bincount(minlength=classes)
    samples = {name: _sample(found, OTHERS) for name, found in others.items() if len(found)}
    votes = _votes(flat, labels, classes)
    right = votes.gather(1, labels[:, None]).squeeze(1)
    wrong = votes.scatter(1, labels[:, None], 0).amax(1)
    agrees = (right >= wrong).double()
    neighbours = min(NEIGHBOURS, len(labels) - 1)
    if "validation" in samples:
        asked, truth = samples["validation"]
        neighbour = _nearest(flat, labels, asked.flatten(1), truth)
    else:
        neighbour = _nearest(flat, labels, None, labels)
    return Inspection(
        mean=flat.mean().item(),
        std=flat.std().item(),
        constant=(flat.std(0) == 0).double().mean().item(),
        blank=(flat.amax(1) == flat.amin(1)).double().mean().item() if flat.shape[1] > 1 else 0.0,
        shares=(counts / counts.sum()).tolist(),
        agreement=agrees.mean().item(),
        agreements=[
            agrees[labels == label].mean().item() if (labels == label).any() else -1.0
            for label in range(classes)
        ],
        contradicted=(wrong >= CONTRADICTION * neighbours).double().mean().item(),
        neighbour=neighbour,
        shift={
            name: _shift(flat, found.flatten(1))
            for name, (found, _) in samples.items()
            if len(found) >= FEWEST
        },
        pixels=_histograms({"training": images, **{name: s for name, (s, _) in samples.items()}}),
    )


def _sample(images: Images, most: int) -> Batch:
    """Some images, of which large ones are averaged down, and their labels."""
    chosen = images.sample(most)
    if images.pixels <= SIDE * SIDE:
        return chosen.all()
    parts = [(adaptive_avg_pool2d(each, SIDE), labels) for each, labels in chosen.in_order(32)]
    return torch.cat([each for each, _ in parts]), torch.cat([labels for _, labels in parts])


def _histograms(samples: dict[str, Tensor]) -> dict[str, list[tuple[float, float]]]:
    """For each sample, the middle of each bin and the fraction of the pixels in it."""
    low = min(images.min().item() for images in samples.values())
    high = max(images.max().item() for images in samples.values())
    width = (high - low) / BINS or 1.0
    return {
        name: [
            (low + (number + 0.5) * width, share)
            for number, share in enumerate(
                (images.cpu().histc(BINS, low, low + BINS * width) / images.numel()).tolist()
            )
        ]
        for name, images in samples.items()
    }


def _votes(flat: Tensor, labels: Tensor, classes: int) -> Tensor:
    """How many of each image's nearest neighbours have each label, (N, classes)."""
    distances = torch.cdist(flat, flat)
    distances.fill_diagonal_(float("inf"))
    nearest = distances.topk(min(NEIGHBOURS, len(flat) - 1), largest=False).indices
    votes = torch.zeros(len(flat), classes, device=flat.device)
    return votes.scatter_add_(1, labels[nearest], torch.ones_like(nearest, dtype=votes.dtype))


def _nearest(flat: Tensor, labels: Tensor, asked: Tensor | None, truth: Tensor) -> float:
    """Accuracy of the nearest neighbour on the images `asked`; without them, on `flat` itself."""
    distances = torch.cdist(flat if asked is None else asked, flat)
    if asked is None:
        distances.fill_diagonal_(float("inf"))
    predicted = labels[distances.argmin(1)]
    return (predicted == truth).double().mean().item()


def _shift(one: Tensor, other: Tensor) -> float:
    """Squared distance of the mean images over what chance gives, 1 where nothing has shifted.

    The statistic of Hotelling's test with a diagonal covariance (Srivastava and Du 2008), over the
    pixels that vary.
    """
    varies = one.std(0) > 0
    if not varies.any():
        return 1.0
    a, b = one[:, varies], other[:, varies]
    expected = a.var(0) / len(a) + b.var(0) / len(b)
    return ((a.mean(0) - b.mean(0)).square().sum() / expected.sum()).item()
