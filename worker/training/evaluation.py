"""How well a network does on images that it is not trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.jobspec.training import Score
from worker.training import losses, products, scores
from worker.training.batches import Images
from worker.training.loop import Criterion

BATCH = 250
"""Images that are evaluated together, at most."""
BATCH_PIXELS = BATCH * 32 * 32
"""Pixels of the images that are evaluated together, at most: of larger images there are fewer."""


@dataclass(frozen=True)
class Evaluation:
    """What a network does on a set of images.

    The loss is the mean over all images, by class weights where there are some; 0 where every
    label has the weight 0. `confusion` counts images by (true class, predicted class).
    `probabilities` are those of every image in order, float32 (N, classes) on the CPU, `labels`
    the classes of the images, int64 (N,).
    """

    loss: float
    accuracy: float
    confusion: list[list[int]]
    probabilities: Tensor
    labels: Tensor

    def score(self, name: Score) -> float | None:
        """One more measure; None where it is not defined."""
        return scores.score(name, self.labels.numpy(), self.probabilities.numpy())

    def scores(self) -> dict[str, float]:
        """All that fit the number of classes."""
        return scores.scores(self.labels.numpy(), self.probabilities.numpy())


def batch_size(images: Images) -> int:
    """How many of these images are evaluated together."""
    return max(1, min(BATCH, BATCH_PIXELS // images.pixels))


@torch.inference_mode()
def evaluate(net: nn.Module, criterion: Criterion, images: Images, classes: int) -> Evaluation:
    """Measures the network in evaluation mode; uses no random numbers."""
    net.eval()
    loss = weight = 0.0
    predictions = []
    counts = torch.zeros(classes * classes, dtype=torch.int64)
    for batch, labels in images.in_order(batch_size(images)):
        with products.for_network(net, len(labels)):
            outputs: Tensor = net(batch)
        loss += losses.total(criterion, outputs, labels)
        weight += float(losses.weight(criterion, labels))
        # Predicted is the most probable class, as clients see it. The largest output may be another
        # one: outputs can differ in the last bit where probabilities are equal.
        probabilities = outputs.softmax(1)
        predictions.append(probabilities.cpu())
        pairs = labels * classes + probabilities.argmax(1)
        counts += pairs.bincount(minlength=classes * classes).cpu()
    confusion = counts.reshape(classes, classes)
    accuracy = confusion.trace().item() / len(images)
    mean_loss = loss / weight if weight else 0.0
    labels = images.labels.cpu()
    return Evaluation(mean_loss, accuracy, confusion.tolist(), torch.cat(predictions), labels)
