"""What a diagnosis may find: a closed list, each in two sentences, and what to change."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["critical", "warning", "info"]
"""The run is worth nothing; it could be much better; good to know."""


PATIENCE = 5
"""Epochs without improvement that early stopping is to wait for."""


class About(NamedTuple):
    """What a finding is called and means, and the picture that shows it."""

    title: str
    explanation: str
    picture: str


ABOUT = {
    "non_finite": About(
        "A number is infinite or not a number",
        "Somewhere in the network a value became infinite or not a number (NaN), and every value "
        "computed from it is lost. From that step on nothing was learned.",
        "loss",
    ),
    "broken_features": About(
        "Broken or constant pixels",
        "Many pixels are the same in every image, or many images are blank, so that they tell "
        "nothing about the class. No network can learn what its inputs do not hold.",
        "inputs",
    ),
    "noisy_labels": About(
        "Labels shuffled or noisy",
        "Images that look alike carry different labels far more often than in a sound dataset. The "
        "network is asked to learn contradictions: it memorizes them or gives up.",
        "labels",
    ),
    "class_imbalance": About(
        "Classes out of balance",
        "Some classes have many more training images than others, and answering with the frequent "
        "ones makes the mean loss small. The rare classes are neglected.",
        "labels",
    ),
    "distribution_shift": About(
        "Training and measured images differ",
        "The images on which the network is measured do not look like those it is trained on. "
        "What it has learned of the one does not hold for the other.",
        "inputs",
    ),
    "inputs_not_normalized": About(
        "Inputs not normalized",
        "The pixels reach the network as large numbers instead of values around zero. All weighted "
        "sums, and so the gradients, are as many times too large, and no rate suits them all.",
        "inputs",
    ),
    "bad_initialization": About(
        "Bad initial weights",
        "The weights that training starts from are equal, or much too large. Equal units get equal "
        "gradients and stay equal; large weights make answers extreme before anything is learned.",
        "gradients",
    ),
    "exploding_gradients": About(
        "Exploding gradients",
        "Each layer multiplies the gradient on its way back, and through all of them it grows to "
        "enormous size. A step along it throws the weights anywhere.",
        "gradients",
    ),
    "dead_relus": About(
        "Dead ReLUs",
        "Many hidden units answer zero to every image. The gradient of a ReLU is zero there, so "
        "that those units can never learn again.",
        "activations",
    ),
    "vanishing_gradients": About(
        "Vanishing gradients",
        "Each layer's activation shrinks the gradient on its way back, and next to nothing of it "
        "arrives at the first layers. They stay as they were drawn while the last ones try alone.",
        "gradients",
    ),
    "learning_rate_too_high": About(
        "Learning rate too high",
        "Each step goes so far along the gradient that it lands beyond the valley it aimed for. "
        "The loss oscillates or grows instead of falling.",
        "loss",
    ),
    "batch_too_small": About(
        "Batch too small for the rate",
        "So few images give a gradient that is mostly chance, and the rate is too high for so much "
        "noise. With larger batches the same rate works.",
        "loss",
    ),
    "batch_too_large": About(
        "Batch too large for the run",
        "With so many images in each mini-batch an epoch has only a few steps. The run ends before "
        "the weights have gone anywhere.",
        "loss",
    ),
    "learning_rate_too_low": About(
        "Learning rate too low",
        "Each step changes the weights so little that the run ends long before the loss is low. "
        "The network could learn this; it is not given the time.",
        "loss",
    ),
    "stopped_too_early": About(
        "Stopped too early",
        "The loss was still falling when the last epoch ended. The rate is right; more epochs "
        "would go on improving the network.",
        "loss",
    ),
    "underfitting": About(
        "Underfitting",
        "The network has stopped improving and does badly even on the images it is trained on. It "
        "is too small for the task, or held back by too much regularization.",
        "accuracy",
    ),
    "overfitting": About(
        "Overfitting",
        "The network knows its training images by heart and does much worse on others. It has too "
        "many weights for so few images, and nothing holds it back.",
        "accuracy",
    ),
    "trained_too_long": About(
        "Trained too long",
        "The network was as good after a small part of the epochs. The rest only made it more sure "
        "of its mistakes, and took time.",
        "loss",
    ),
    "healthy": About(
        "Healthy",
        "The network learns, and what it has learned holds for images that it has not seen. "
        "Nothing that is looked for was found.",
        "accuracy",
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

    code: str
    severity: Severity
    since: tuple[int, int]
    """Epoch and step."""
    evidence: list[Evidence]
    advice: str
    changes: list[Change] = field(default_factory=list)
    stands_alone: bool = False
    """Whether it rests on the spec itself, so that no other finding explains it."""
    symptom_of: str | None = None


def stopping_early() -> Change:
    """Early stopping, as several findings suggest it."""
    return Change(
        "/training/early_stopping",
        {"metric": "validation_loss", "patience": PATIENCE},
        f"ends the run when {PATIENCE} epochs in a row brought nothing, and keeps the best weights",
    )
