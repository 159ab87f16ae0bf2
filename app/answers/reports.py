"""What the routes of reports answer: every field with its meaning. Fractions run from 0 to 1."""

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described


class Interval(BaseModel):
    """A measured value with its 95% interval."""

    model_config = DOCSTRINGS

    value: float
    """As measured on the test images."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class Macro(BaseModel):
    """Plain means over the classes that occur, each counting the same."""

    model_config = DOCSTRINGS

    precision: float
    """Mean precision."""
    recall: float
    """Mean recall."""
    f1: float
    """Mean F1."""


class ClassScores(BaseModel):
    """How well one class is told from the others; what is undefined is 0."""

    model_config = DOCSTRINGS

    label: str
    """The class."""
    images: int
    """Its test images."""
    precision: float
    """Fraction of the images predicted as this class that belong to it."""
    recall: float
    """Fraction of its images that were predicted as this class."""
    f1: float
    """Harmonic mean of precision and recall."""


class CalibrationBin(BaseModel):
    """The test images predicted with a confidence in (low, high]."""

    model_config = DOCSTRINGS

    low: float
    """Lower edge of the bin."""
    high: float
    """Upper edge of the bin."""
    images: int
    """Images in the bin."""
    confidence: float | None
    """Their mean confidence; null without images."""
    accuracy: float | None
    """Their accuracy; null without images."""


class Calibration(BaseModel):
    """Whether the confidence of a prediction is the probability that it is correct."""

    model_config = DOCSTRINGS

    expected_error: float
    """Expected calibration error (Guo et al., 2017): the mean distance of confidence and accuracy,
    bin by bin, weighted by images."""
    bins: list[CalibrationBin]
    """15 bins of equal width."""


class Example(BaseModel):
    """An image or a row that a report shows."""

    model_config = DOCSTRINGS

    index: int
    """Its number in its part of the dataset, from 0."""
    name: str | None = None
    """What its owner calls it, such as its file; null for built-in datasets."""
    image: str | None = None
    """The image: a data URL with a PNG; null for a row."""
    row: dict[str, str | None] | None = None
    """The row: the text of each column, null where it is missing; null for an image."""
    label: str
    """The class that it is labelled with."""


class Mistake(Example):
    """A test image or row with a wrong prediction."""

    predicted: str
    """The class that was predicted."""
    confidence: float
    """Probability that the model gave to the predicted class."""


class Typical(Example):
    """A test image or row that the model recognizes surely."""

    confidence: float
    """Probability that the model gave to its class."""


class Suspect(Example):
    """A training image or row whose label is doubtful."""

    suggested: str
    """The class that the trained network, or else most of its neighbours, suggest."""
    suspicion: float
    """From 0 to 1: how unlikely its label is to the network, and among its ten nearest neighbours
    as the network sees them."""


class Importance(BaseModel):
    """How much a model of a table needs a column."""

    model_config = DOCSTRINGS

    name: str
    """The column."""
    importance: float
    """Permutation importance (Breiman, 2001): the accuracy on the test rows that is lost where the
    column's values are shuffled among them; about 0 or below where the column tells nothing."""
    std: float
    """Standard deviation of that loss over several shuffles."""


class Report(BaseModel):
    """What the test set says of a model."""

    model_config = described("report_examples.REPORT")

    images: int
    """Test images."""
    accuracy: Interval
    """Fraction of correct predictions, with Wilson's interval."""
    macro: Macro
    """Means over the classes."""
    classes: list[ClassScores]
    """Every class, in the order of the probabilities."""
    confusion_matrix: list[list[int]]
    """Test images by true class (rows) and predicted class (columns)."""
    calibration: Calibration
    """Whether confidences can be believed."""
    worst_mistakes: list[Mistake]
    """At most twenty wrong predictions, the most confident first."""
    typical: list[Typical] = []
    """Of each class two test images or rows that the model recognizes most surely; none where there
    are more than 50 classes."""
    suspects: list[Suspect] = []
    """At most twenty training images or rows whose labels are doubtful, the most suspicious
    first."""
    columns: list[Importance] | None = None
    """How much the model needs each column; null for pictures."""


class Compared(BaseModel):
    """One of two models."""

    model_config = DOCSTRINGS

    model: str
    """Its id."""
    name: str
    """Name of its job."""
    accuracy: float
    """Fraction of the test images that it predicts correctly."""


class Discordant(BaseModel):
    """Test images that exactly one of the models predicts correctly."""

    model_config = DOCSTRINGS

    only_a: int
    """Correct by a alone."""
    only_b: int
    """Correct by b alone."""


class RecallDifference(BaseModel):
    """How the models differ in finding one class; null where the class has no test images."""

    model_config = DOCSTRINGS

    label: str
    """The class."""
    images: int
    """Its test images."""
    a: float | None
    """Fraction of them that a predicts correctly."""
    b: float | None
    """Fraction of them that b predicts correctly."""
    difference: float | None
    """b minus a."""


class ModelComparison(BaseModel):
    """Two models, by their predictions for the same test images."""

    model_config = described("report_examples.COMPARISON")

    a: Compared
    """The first model."""
    b: Compared
    """The second model."""
    images: int
    """Test images that both have predicted."""
    difference: Interval
    """Accuracy of b minus accuracy of a, with the adjusted Wald interval for paired proportions
    (Agresti and Min, 2005)."""
    discordant: Discordant
    """Images that exactly one of them predicts correctly."""
    p_value: float
    """McNemar's exact test (1947), two-sided: how likely so unequal counts of discordant images are
    between equally good models."""
    classes: list[RecallDifference]
    """Every class."""
    verdict: str
    """What the figures say, in a sentence: 0.05 is the limit of the p-value."""
