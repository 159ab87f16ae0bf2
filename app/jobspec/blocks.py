"""How many mini-batches a job takes together (worker/training/blocks.py).

Measured on one core of a Sapphire Rapids processor, against step by step: 784-500-10 with momentum
trains 4.7 times as fast at batch 1, 2.3 at 4, 1.8 at 8, 1.2 at 16, and 0.85 at 32; first layers of
50,000 weights gain nothing at batch 4. docs/blocks.md has the table.
"""

from app.jobspec import JobSpec

WEIGHTS = 24_000
"""Least weights of the first layer for each image of a mini-batch. Smaller layers stay in the
processor's cache from step to step, so that there is nothing to gain."""
BATCH, BATCH_WITHOUT_MOMENTUM = 16, 32
"""Largest mini-batch. With momentum blocks take twice the multiplications, which is then the time;
without, they take as many as single steps."""
ROWS = 128
"""Images of a block. More add to the products among them and gain nothing."""
SHORTEST, LONGEST = 4, 64
"""Steps of a block. A shorter one does not pay; a longer one gains nothing."""
PRODUCTS = 500_000_000
"""Most weights times images: about 25 ms of products, for a job stops between two blocks only."""
UPDATES = 25_000_000
"""Most weights behind the first layer times steps: about 50 ms of their updates."""
VALUES = 1_000_000
"""Most input values: 4 MB."""


def length(spec: JobSpec, largest: int = BATCH) -> int:
    """Mini-batches in a block of a job on a CPU; 1 where each step is made by itself.

    `largest` is the largest mini-batch with momentum that this processor takes in blocks.
    """
    training, optimizer = spec.training, spec.training.optimizer
    is_linear = optimizer.name == "sgd" and training.gradient_clipping is None
    is_by_hand = spec.has_chain_rule and training.gradient != "autograd"
    is_by_hand &= spec.resources.workers == 1
    if not is_linear or not is_by_hand:
        return 1
    inputs, units = spec.layer_sizes[:2]
    weights, batch = inputs * units, min(training.batch_size, spec.dataset.training_images)
    most = largest if optimizer.momentum else BATCH_WITHOUT_MOMENTUM
    if batch > most or weights < WEIGHTS * batch:
        return 1
    rows = min(ROWS, units, PRODUCTS // weights, VALUES // inputs)
    steps = min(LONGEST, rows // batch, UPDATES // (spec.parameters - weights))
    return steps if steps >= SHORTEST else 1
