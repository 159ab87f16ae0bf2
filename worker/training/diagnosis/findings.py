"""What a diagnosis may find: each kind in two sentences, and the picture that shows it."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from app.codes import FindingCode, Picture, Severity

PATIENCE = 5
"""Epochs without improvement that a suggested early stopping waits for."""


class About(NamedTuple):
    """What a finding is called and means, and the picture that shows it."""

    title: str
    explanation: str
    picture: Picture


ABOUT = {
    FindingCode.NON_FINITE: About(
        "A number is infinite or not a number",
        "Somewhere in the network a value became infinite or not a number (NaN), and every value "
        "computed from it is lost. From that step on nothing was learned.",
        Picture.LOSS,
    ),
    FindingCode.BROKEN_FEATURES: About(
        "Broken or constant pixels",
        "Many pixels are the same in every image, or many images are blank, so that they say "
        "nothing about the class. No network can learn what its inputs do not show.",
        Picture.INPUTS,
    ),
    FindingCode.NOISY_LABELS: About(
        "Labels shuffled or noisy",
        "Images that look alike carry different labels far more often than in a sound dataset. The "
        "network is asked to learn contradictions: it memorizes them or gives up.",
        Picture.LABELS,
    ),
    FindingCode.CLASS_IMBALANCE: About(
        "Classes out of balance",
        "Some classes have many more training images than others. Predicting the frequent classes "
        "makes the mean loss small, so that the rare ones are neglected.",
        Picture.LABELS,
    ),
    FindingCode.DISTRIBUTION_SHIFT: About(
        "Training and measured images differ",
        "The images on which the network is measured do not look like those it is trained on. "
        "What it has learned from the first does not hold for the others.",
        Picture.INPUTS,
    ),
    FindingCode.DUPLICATES_ACROSS_PARTS: About(
        "Training images in another part, too",
        "Some images that the network is trained on are among those that measure it, the same or "
        "nearly the same. What it has memorized counts as recognized: on new images it will reach "
        "less than was measured.",
        Picture.LABELS,
    ),
    FindingCode.MISLABELLED_EXAMPLES: About(
        "Examples with wrong labels",
        "Some training images look to the trained network like those of another class, and hardly "
        "like any of their own. What they teach is wrong, and measures it wrongly.",
        Picture.LABELS,
    ),
    FindingCode.TARGET_LEAKAGE: About(
        "A column gives the answer away",
        "One column alone tells the class nearly without a mistake. Mostly such a column is filled "
        "in only once the answer is known: where it is to be predicted, it will be missing, and "
        "the model will do much worse than it was measured.",
        Picture.LABELS,
    ),
    FindingCode.FEW_EXAMPLES: About(
        "Too few examples of a class",
        "A class has hardly any training images, and they are recognized worse than the others. "
        "What such images have in common cannot be told from what these few happen to show.",
        Picture.LABELS,
    ),
    FindingCode.INPUTS_NOT_NORMALIZED: About(
        "Inputs not normalized",
        "The pixels reach the network as large numbers instead of values around zero. All weighted "
        "sums, and so the gradients, are as many times too large, and no rate suits them all.",
        Picture.INPUTS,
    ),
    FindingCode.BAD_INITIALIZATION: About(
        "Bad initial weights",
        "The weights that training starts from are equal, or much too large. Equal units get equal "
        "gradients and stay equal; large weights make the first outputs extreme.",
        Picture.GRADIENTS,
    ),
    FindingCode.EXPLODING_GRADIENTS: About(
        "Exploding gradients",
        "Each layer multiplies the gradient on its way back, and through all of them it grows to "
        "an enormous size. A step along it moves the weights far from any good values.",
        Picture.GRADIENTS,
    ),
    FindingCode.DEAD_RELUS: About(
        "Dead ReLUs",
        "Many hidden units are zero for every image. The gradient of a ReLU is zero there, so "
        "that those units cannot learn any more.",
        Picture.ACTIVATIONS,
    ),
    FindingCode.VANISHING_GRADIENTS: About(
        "Vanishing gradients",
        "Each layer's activation shrinks the gradient on its way back, so that almost nothing "
        "reaches the first layers. They stay as they were, and only the last ones learn.",
        Picture.GRADIENTS,
    ),
    FindingCode.LEARNING_RATE_TOO_HIGH: About(
        "Learning rate too high",
        "Each step goes so far along the gradient that it passes the minimum of the loss. The loss "
        "oscillates, grows, or stays far above what smaller steps would reach.",
        Picture.LOSS,
    ),
    FindingCode.BATCH_TOO_SMALL: About(
        "Batch too small for the rate",
        "The gradient of so few images is mostly noise, and the learning rate is too high for so "
        "much of it. With larger batches the same rate works.",
        Picture.LOSS,
    ),
    FindingCode.BATCH_TOO_LARGE: About(
        "Batch too large for the run",
        "With so many images in each mini-batch an epoch has only a few steps. The run ends before "
        "the weights have changed much.",
        Picture.LOSS,
    ),
    FindingCode.LEARNING_RATE_TOO_LOW: About(
        "Learning rate too low",
        "Each step changes the weights so little that the run ends long before the loss is low. "
        "With larger steps it would learn this task in the same time.",
        Picture.LOSS,
    ),
    FindingCode.CLIPPING_TOO_TIGHT: About(
        "Gradient clipping too tight",
        "Gradient clipping shortens each gradient to a small part of its length, so that each step "
        "changes the weights very little. The learning rate is right, but its effect is lost.",
        Picture.LOSS,
    ),
    FindingCode.STOPPED_TOO_EARLY: About(
        "Stopped too early",
        "The loss was still falling when the last epoch ended: more epochs would go on improving "
        "the network.",
        Picture.LOSS,
    ),
    FindingCode.UNDERFITTING: About(
        "Underfitting",
        "The network has stopped improving and does badly even on the images it is trained on. It "
        "is too small for the task, or held back by too much regularization.",
        Picture.ACCURACY,
    ),
    FindingCode.OVERFITTING: About(
        "Overfitting",
        "The network has memorized its training images and does much worse on others. It has too "
        "many weights for so few images, and too little regularization.",
        Picture.ACCURACY,
    ),
    FindingCode.TRAINED_TOO_LONG: About(
        "Trained too long",
        "The network was as good after a small part of the epochs. The others only took time, and "
        "made it more confident of its mistakes.",
        Picture.LOSS,
    ),
    FindingCode.HEALTHY: About(
        "Healthy",
        "The network has learned its task, and does as well on images that it has not seen. No "
        "fault was found.",
        Picture.ACCURACY,
    ),
}
"""What each code means."""


@dataclass(frozen=True)
class Evidence:
    """A measured number and the threshold that it crosses; None where it only adds to the rest."""

    name: str
    value: float
    comparison: Literal["above", "below"]
    threshold: float | None
    meaning: str


@dataclass(frozen=True)
class Change:
    """One field of the spec: what to set it to, and what that does."""

    pointer: str
    after: Any
    effect: str


@dataclass(frozen=True)
class Finding:
    """Something found, with its evidence; `changes` are those of a spec that cures it."""

    code: FindingCode
    severity: Severity
    since: tuple[int, int]
    """Epoch and step."""
    evidence: list[Evidence]
    advice: str
    changes: list[Change] = field(default_factory=list)
    stands_alone: bool = False
    """Whether it rests on the spec itself, so that no other finding explains it."""
    symptom_of: FindingCode | None = None


def stopping_early(patience: int = PATIENCE) -> Change:
    """Early stopping, as several findings suggest it."""
    return Change(
        "/training/early_stopping",
        {"metric": "validation_loss", "patience": patience},
        f"ends the run after {patience} epochs without improvement, and keeps the best weights",
    )
