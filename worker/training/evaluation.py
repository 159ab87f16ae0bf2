"""How well a network does on images that it is not trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.training.batches import Images
from worker.training.loop import Criterion

BATCH = 250


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, share of right answers, and counts by (true class, answered class).

    `probabilities` are those of every image in order, float32 (N, classes) on the CPU.
    """

    loss: float
    accuracy: float
    confusion: list[list[int]]
    probabilities: Tensor


@torch.inference_mode()
def evaluate(net: nn.Module, criterion: Criterion, images: Images, classes: int) -> Evaluation:
    """Measures the network in evaluation mode; uses no random numbers."""
    net.eval()
    loss = 0.0
    answers = []
    counts = torch.zeros(classes * classes, dtype=torch.int64)
    for batch, labels in images.in_order(BATCH):
        outputs: Tensor = net(batch)
        loss += criterion(outputs, labels).item() * len(labels)
        # the answer by probabilities, as whoever is served sees it: outputs may differ in a last
        # bit where probabilities are equal
        probabilities = outputs.softmax(1)
        answers.append(probabilities.cpu())
        pairs = labels * classes + probabilities.argmax(1)
        counts += pairs.bincount(minlength=classes * classes).cpu()
    confusion = counts.reshape(classes, classes)
    accuracy = confusion.trace().item() / len(images)
    return Evaluation(loss / len(images), accuracy, confusion.tolist(), torch.cat(answers))
