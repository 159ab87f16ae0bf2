"""What /predict answers."""

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described
from app.codes import InputDoubt


class Ranked(BaseModel):
    """A class and how sure the model is of it."""

    model_config = DOCSTRINGS

    label: str
    """Name of the class."""
    index: int
    """Place of the class in the model's classes, from 0."""
    confidence: float
    """Probability of the class, 0 to 1."""


class PredictionWarning(BaseModel):
    """Why a prediction may not be trusted."""

    model_config = DOCSTRINGS

    code: InputDoubt
    """Of a picture: `blank`, `faint`, `several_objects`, `dark_frame` (cut off), or `pixel_range`.
    Of a row: `missing_value`, `unknown_category`, or `extra_column`."""
    detail: str
    """What was found in the input, and what to do."""


class Prediction(Ranked):
    """The most probable class of one input, and the probabilities of all."""

    probabilities: list[float]
    """Probability of each class, in the order of the model's classes; they sum to 1."""
    top: list[Ranked] | None = None
    """The most probable classes, best first; only where top_k was given."""
    warnings: list[PredictionWarning] | None = None
    """What is doubtful about the input; left out where nothing is."""


class Predictions(BaseModel):
    """A prediction for each input, in their order."""

    model_config = described("examples.PREDICTIONS")

    model: str
    """Id of the model that answered."""
    predictions: list[Prediction]
    """One for each input."""
