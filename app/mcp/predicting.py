"""The tool that asks a model. It takes contents only: nothing that a client sends is a path."""

from typing import Annotated, Any

from pydantic import Field

from app.mcp.answers import Answer, rounded
from app.mcp.connection import service

MOST_INPUTS = 100
"""Inputs of one call."""

Input = list[Any] | str | dict[str, str | int | float | bool | None]
"""Pixels, a file, or a row. Whole numbers stay whole: the category 80 is not 80.0."""


class Ranked(Answer):
    """A class and its probability."""

    label: str
    """Name of the class."""
    confidence: float | None = None
    """Its probability, 0 to 1."""


class Prediction(Ranked):
    """The most probable class of one input."""

    others: list[Ranked]
    """The next probable classes, best first."""
    warnings: list[str] | None = None
    """What is doubtful about the input."""


class Predictions(Answer):
    """A prediction for each input, in their order."""

    model: str
    """Id of the model that answered."""
    predictions: list[Prediction]
    """One for each input."""


def predict(
    inputs: Annotated[
        list[Input],
        Field(
            min_length=1,
            max_length=MOST_INPUTS,
            description="1 to 100 inputs, each one of: pixels ([rows][columns], with several "
            "channels [channels][rows][columns], or all in a row) in the range that show_model "
            "tells; an image file in base64 (PNG, JPEG, WebP, GIF, BMP, TIFF); a row of a table "
            'as an object, such as {"age": 41, "job": "nurse"}. No paths.',
        ),
    ],
    model: Annotated[
        str | None,
        Field(description="Id or alias; if absent, production, or latest where that is not set."),
    ] = None,
    top_k: Annotated[int, Field(ge=1, le=10, description="Classes to tell of each input.")] = 3,
) -> Predictions:
    """Ask a model for the class of images or rows."""
    found = service().predictions(inputs, model, top_k)
    return Predictions(
        model=found["model"], predictions=[_prediction(each) for each in found["predictions"]]
    )


def _prediction(found: dict[str, Any]) -> Prediction:
    best, *others = (
        Ranked(label=each["label"], confidence=rounded(each["confidence"])) for each in found["top"]
    )
    warnings = [f"{each['code']}: {each['detail']}" for each in found.get("warnings") or []]
    return Prediction(
        label=best.label, confidence=best.confidence, others=others, warnings=warnings or None
    )
