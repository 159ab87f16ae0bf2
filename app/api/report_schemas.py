"""What the routes of reports answer: every field with its meaning. Shares run from 0 to 1."""

from pydantic import BaseModel, ConfigDict

from app.api import examples
from app.api.schemas import described

_DOCSTRINGS = ConfigDict(use_attribute_docstrings=True)


class Interval(BaseModel):
    """A measured value with its 95% interval."""

    model_config = _DOCSTRINGS

    value: float
    """As measured on the test images."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class Macro(BaseModel):
    """Plain means over the classes that occur, each counting the same."""

    model_config = _DOCSTRINGS

    precision: float
    """Mean precision."""
    recall: float
    """Mean recall."""
    f1: float
    """Mean F1."""


class ClassScores(BaseModel):
    """How well one class is told from the others; what is undefined is 0."""

    model_config = _DOCSTRINGS

    label: str
    """The class."""
    images: int
    """Its test images."""
    precision: float
    """Of the images that were answered with it, the share that are of it."""
    recall: float
    """Of its images, the share that were answered with it."""
    f1: float
    """Harmonic mean of precision and recall."""


class CalibrationBin(BaseModel):
    """The test images that were answered with a confidence in (low, high]."""

    model_config = _DOCSTRINGS

    low: float
    """Lower edge of the bin."""
    high: float
    """Upper edge of the bin."""
    images: int
    """Images in the bin."""
    confidence: float | None
    """Their mean confidence; null without images."""
    accuracy: float | None
    """The share of them that were answered rightly; null without images."""


class Calibration(BaseModel):
    """Whether the confidence of an answer is the probability that it is right."""

    model_config = _DOCSTRINGS

    expected_error: float
    """Expected calibration error (Guo et al., 2017): the mean distance of confidence and accuracy,
    bin by bin, weighted by images."""
    bins: list[CalibrationBin]
    """15 bins of equal width."""


class Mistake(BaseModel):
    """A test image that was answered wrongly."""

    model_config = _DOCSTRINGS

    index: int
    """Its number in the test set, from 0."""
    image: str
    """The image: a data URL with a PNG."""
    label: str
    """Its class."""
    predicted: str
    """The class that was answered."""
    confidence: float
    """Probability that the model gave to that answer."""


class Report(BaseModel):
    """What the test set says of a model."""

    model_config = described(examples.REPORT)

    images: int
    """Test images."""
    accuracy: Interval
    """Share of right answers, with Wilson's interval."""
    macro: Macro
    """Means over the classes."""
    classes: list[ClassScores]
    """Every class, in the order of the probabilities."""
    confusion_matrix: list[list[int]]
    """Test images by true class (rows) and answered class (columns)."""
    calibration: Calibration
    """Whether confidences can be believed."""
    worst_mistakes: list[Mistake]
    """The wrong answers of most confidence, at most twenty, the worst first."""


class Compared(BaseModel):
    """One of two models."""

    model_config = _DOCSTRINGS

    model: str
    """Its id."""
    name: str
    """Name of its job."""
    accuracy: float
    """Share of the test images that it answers rightly."""


class Discordant(BaseModel):
    """Test images that one of the models answers rightly and the other wrongly."""

    model_config = _DOCSTRINGS

    only_a: int
    """Rightly by a alone."""
    only_b: int
    """Rightly by b alone."""


class RecallDifference(BaseModel):
    """How the models differ in finding one class; null where the class has no test images."""

    model_config = _DOCSTRINGS

    label: str
    """The class."""
    images: int
    """Its test images."""
    a: float | None
    """Share of them that a finds."""
    b: float | None
    """Share of them that b finds."""
    difference: float | None
    """b minus a."""


class ModelComparison(BaseModel):
    """Two models, by their answers to the same test images."""

    model_config = described(examples.COMPARISON)

    a: Compared
    """The first model."""
    b: Compared
    """The second model."""
    images: int
    """Test images that both have answered."""
    difference: Interval
    """Accuracy of b minus accuracy of a, with the adjusted Wald interval for paired proportions
    (Agresti and Min, 2005)."""
    discordant: Discordant
    """Images on which just one of them is right."""
    p_value: float
    """McNemar's exact test (1947), two-sided: how likely so unequal counts of discordant images are
    between equally good models."""
    classes: list[RecallDifference]
    """Every class."""
    verdict: str
    """What the figures say, in a sentence: 0.05 is the limit of the p-value."""
