"""The measurements of a run: small, bounded in number, and JSON values."""

from msgspec import Struct


class Layer(Struct):
    """A layer with weights, as a probe found it."""

    gradient: float
    """Norm of the loss' gradient with respect to its weights."""
    weight: float
    """Norm of its weights."""
    spread: float
    """How much its units differ: standard deviation between them, over the mean weight."""
    update: float | None = None
    """Change by the next step, as a fraction of the weights; None if no step followed."""

    @property
    def relative(self) -> float:
        """The gradient's norm over the weights'."""
        return self.gradient / self.weight if self.weight else 0.0


class Activation(Struct):
    """The values of a hidden layer for the probe's images."""

    dead: float
    """Fraction of its units that are zero for every image; only rectifiers have any."""
    saturated: float
    """Fraction of its values in the flat ends of sigmoid or tanh."""


class Reading(Struct):
    """A probe of the network between two steps, on a fixed batch of training images."""

    step: int
    epoch: int
    loss: float
    entropy: float
    """Mean entropy of its predictions, in nats; ln(classes) if all classes are equally likely."""
    answers: list[float]
    """Fraction of the images that it predicts to be of each class."""
    logits: float
    """Standard deviation of its outputs before the softmax."""
    noise: float | None
    """Batch size at which the gradient's noise equals its signal; dense layers only."""
    layers: list[Layer]
    activations: list[Activation]


class EpochReading(Struct):
    """An epoch's metrics."""

    epoch: int
    step: int
    metrics: dict[str, float]


class Stretch(Struct):
    """The losses of some mini-batches in a row; `step` is the number of the first, from 1."""

    step: int
    count: int
    mean: float
    variance: float
    weight: float | None = None
    """Sum of the batches' weights, each relative to its size: with class weights it is not `count`.
    Checkpoints of older versions have none."""


class Inspection(Struct):
    """What the images and labels are like, whatever the network."""

    mean: float
    """Of the pixels as the network sees them."""
    std: float
    constant: float
    """Fraction of the pixel positions that are the same in every image."""
    blank: float
    """Fraction of the images of which every pixel is the same."""
    shares: list[float]
    """Fraction of each class among the training labels."""
    agreement: float
    """Fraction of training images whose nearest other images vote for their label."""
    agreements: list[float]
    """The same for the images of each class; -1 where there are none."""
    contradicted: float
    """Fraction of training images whose nearest neighbours agree on another label."""
    neighbour: float
    """Accuracy of the nearest neighbour on the validation images, which a network should reach."""
    shift: dict[str, float]
    """How far validation and test images are from the training images: 1 is chance."""
    pixels: dict[str, list[tuple[float, float]]]
    """Of training, validation and test images: the middle of each bin and the fraction in it."""


class Ending(Struct):
    """The trained network on its training and validation images, in evaluation mode."""

    train_accuracy: float
    validation_accuracy: float | None
    recalls: list[float]
    """Of each class, on the images that are measured; -1 where there are none."""
    train_loss: float | None = None
    """On the same training images; None in what an older traind kept."""
    doubted: float | None = None
    """Fraction of the training images whose labels are doubtful (suspects.py); None likewise."""
    counts: list[int] | None = None
    """How many images of each class `recalls` rest on; None likewise."""
    train_recall: float | None = None
    """Mean recall of the classes on the training images; None likewise."""
    unsure: float | None = None
    """Fraction of the training images whose neighbours disagree; None likewise."""


class Trial(Struct):
    """A fresh copy of the network, trained for some steps with one thing changed."""

    rate: float
    steps: int
    train_loss: float
    """On the training images of `Ending`, in evaluation mode."""
    recall: float | None = None
    """Mean over the classes, on the same; None in what an older traind kept."""


class RangeTest(Struct):
    """A learning-rate range test: the smoothed loss at each rate, and what follows."""

    batch_size: int
    curve: list[tuple[float, float | None]]
    recommended: float | None
    """None where no rate lowered the loss."""
    steepest: float | None
    """The rate at which the loss fell fastest."""
    diverges_at: float | None
    """The rate at which the loss exploded; None if it did not."""
    advice: str | None = None
    """Which end of the range to move, where the best rate may lie beyond it."""

    @property
    def least(self) -> float:
        """The rate of the least loss."""
        finite = [(loss, rate) for rate, loss in self.curve if loss is not None]
        return min(finite)[1]


class NonFinite(Struct):
    """Where the first number that is infinite or not a number appeared."""

    step: int
    epoch: int
    where: str
    """Such as `outputs of layer 2`."""


class Measurements(Struct):
    """All measurements of a diagnosis."""

    readings: list[Reading] = []
    epochs: list[EpochReading] = []
    stretches: list[Stretch] = []
    inspection: Inspection | None = None
    ending: Ending | None = None
    ranges: list[RangeTest] = []
    """Without gradient clipping: first with the run's own batches, then with larger ones."""
    trial: Trial | None = None
    """With a tenth of the rate."""
    larger: Trial | None = None
    """With larger batches."""
    undistorted: Trial | None = None
    """Without augmentation."""
    balanced: Trial | None = None
    """With balanced class weights, and perhaps a lower rate."""
    non_finite: NonFinite | None = None
    said: list[str] = []
    """Codes of the findings that have been reported."""
