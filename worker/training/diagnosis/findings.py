"""What a diagnosis may find: a closed list, each in two sentences, and what to change."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from app.codes import FindingCode, Picture, Severity

PATIENCE = 5
"""Epochs without improvement that early stopping is to wait for."""


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
        "Many pixels are the same in every image, or many images are blank, so that they tell "
        "nothing about the class. No network can learn what its inputs do not hold.",
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
        "Some classes have many more training images than others, and answering with the frequent "
        "ones makes the mean loss small. The rare classes are neglected.",
        Picture.LABELS,
    ),
    FindingCode.DISTRIBUTION_SHIFT: About(
        "Training and measured images differ",
        "The images on which the network is measured do not look like those it is trained on. "
        "What it has learned of the one does not hold for the other.",
        Picture.INPUTS,
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
        "gradients and stay equal; large weights make answers extreme before anything is learned.",
        Picture.GRADIENTS,
    ),
    FindingCode.EXPLODING_GRADIENTS: About(
        "Exploding gradients",
        "Each layer multiplies the gradient on its way back, and through all of them it grows to "
        "enormous size. A step along it throws the weights anywhere.",
        Picture.GRADIENTS,
    ),
    FindingCode.DEAD_RELUS: About(
        "Dead ReLUs",
        "Many hidden units answer zero to every image. The gradient of a ReLU is zero there, so "
        "that those units can never learn again.",
        Picture.ACTIVATIONS,
    ),
    FindingCode.VANISHING_GRADIENTS: About(
        "Vanishing gradients",
        "Each layer's activation shrinks the gradient on its way back, and next to nothing of it "
        "arrives at the first layers. They stay as they were drawn while the last ones try alone.",
        Picture.GRADIENTS,
    ),
    FindingCode.LEARNING_RATE_TOO_HIGH: About(
        "Learning rate too high",
        "Each step goes so far along the gradient that it lands beyond the valley it aimed for. "
        "The loss oscillates or grows instead of falling.",
        Picture.LOSS,
    ),
    FindingCode.BATCH_TOO_SMALL: About(
        "Batch too small for the rate",
        "So few images give a gradient that is mostly chance, and the rate is too high for so much "
        "noise. With larger batches the same rate works.",
        Picture.LOSS,
    ),
    FindingCode.BATCH_TOO_LARGE: About(
        "Batch too large for the run",
        "With so many images in each mini-batch an epoch has only a few steps. The run ends before "
        "the weights have gone anywhere.",
        Picture.LOSS,
    ),
    FindingCode.LEARNING_RATE_TOO_LOW: About(
        "Learning rate too low",
        "Each step changes the weights so little that the run ends long before the loss is low. "
        "The network could learn this; it is not given the time.",
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
        "The loss was still falling when the last epoch ended. The rate is right; more epochs "
        "would go on improving the network.",
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
        "The network knows its training images by heart and does much worse on others. It has too "
        "many weights for so few images, and nothing holds it back.",
        Picture.ACCURACY,
    ),
    FindingCode.TRAINED_TOO_LONG: About(
        "Trained too long",
        "The network was as good after a small part of the epochs. The rest only made it more sure "
        "of its mistakes, and took time.",
        Picture.LOSS,
    ),
    FindingCode.HEALTHY: About(
        "Healthy",
        "The network learns, and what it has learned holds for images that it has not seen. "
        "Nothing that is looked for was found.",
        Picture.ACCURACY,
    ),
}
"""In the order of causes: what stands above may explain what stands below."""


@dataclass(frozen=True)
class Evidence:
    """A measured number and the bound that it crosses; none where it only adds to the rest."""

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


def stopping_early() -> Change:
    """Early stopping, as several findings suggest it."""
    return Change(
        "/training/early_stopping",
        {"metric": "validation_loss", "patience": PATIENCE},
        f"ends the run when {PATIENCE} epochs in a row brought nothing, and keeps the best weights",
    )
