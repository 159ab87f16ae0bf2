"""How much a network relies on each column of a table: permutation importance.

By how much the accuracy on the test rows falls when a column's values are shuffled among them
(Breiman, "Random Forests", 2001, section 10): the mean and the deviation over a few shuffles, as
scikit-learn's `permutation_importance` has them. Columns that say the same share their worth.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from worker.training.dataset import Dataset, TableDescription
from worker.training.inputs import Rows

ROWS = 1000
"""Most test rows that are asked, at equal distances."""
SHUFFLES, SHUFFLES_OF_MANY = 5, 1
FEW = 100
"""With at most this many columns, each is shuffled several times."""


@torch.inference_mode()
def importance(net: nn.Module, dataset: Dataset, seed: int) -> list[dict[str, Any]] | None:
    """For each column `name`, `importance` and `std`, fractions of the rows; None for images.

    The network must be on the CPU, in evaluation mode.
    """
    description = dataset.description
    if not isinstance(description, TableDescription):
        return None
    step = max(1, -(-len(dataset.test_labels) // ROWS))
    rows = torch.from_numpy(np.array(dataset.test_images[::step]))
    labels = torch.from_numpy(dataset.test_labels[::step].astype(np.int64))
    seen = Rows(description)

    def accuracy(asked: Tensor) -> float:
        outputs: Tensor = net(seen(asked))
        return (outputs.argmax(1) == labels).double().mean().item()

    whole = accuracy(rows)
    shuffles = SHUFFLES if len(description.columns) <= FEW else SHUFFLES_OF_MANY
    generator = torch.Generator().manual_seed(seed)
    found = []
    for at, column in enumerate(description.columns):
        falls = []
        for _ in range(shuffles):
            shuffled = rows.clone()
            order = torch.randperm(len(rows), generator=generator)
            shuffled[:, at] = rows[order, at]
            falls.append(whole - accuracy(shuffled))
        found.append(
            {
                "name": column.name,
                "importance": float(np.mean(falls)),
                "std": float(np.std(falls)),
            }
        )
    return found
