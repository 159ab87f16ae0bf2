"""What the test set says of models: the report, the model card, and the comparison of two."""

import json
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from fastapi import APIRouter, Header, Query, Response

from app.answers.reports import (
    Compared,
    Discordant,
    Interval,
    ModelComparison,
    RecallDifference,
    Report,
)
from app.api import pages
from app.api.answering import rfc3339
from app.api.parameters import ModelRef
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase
from app.codes import Fit
from app.jobspec import Text
from app.rows.columns import Column
from app.serving.comparison import Comparison, Predictions, compare
from app.store import trained_models
from app.store.database import Connection, Database
from app.store.errors import ModelNotFound, NoReport, NotComparable
from app.store.keys import Scope
from app.store.trained_models import Model

router = APIRouter(prefix="/models", tags=["models"], route_class=Route)
# Before the routes of app.api.models in the application, where `compare` would be a model's name.

LARGEST_MATRIX = 50
"""Most classes of a confusion matrix that a page shows."""
MOST_SHOWN = 10
"""Most columns of the row that a card shows how to send."""
FITS: dict[Fit, str] = {
    "crop": "scaled and cropped to the middle",
    "pad": "scaled whole and padded",
    "stretch": "stretched",
}
"""What a card says of how pictures were brought to one shape."""
OtherRef = Annotated[str, Query(description="Id or alias of a model.", max_length=128), Text]


@router.get(
    "/compare",
    summary="Compare two models",
    responses=documented(ModelNotFound, NoReport, NotComparable),
)
@needs(Scope.READ)
def compare_models(a: OtherRef, b: OtherRef, database: TheDatabase) -> ModelComparison:
    """Whether b is better than a, by their predictions for the same test images.

    Differences are b minus a.
    """
    with database.read() as connection:
        of_a, of_b = _measured(connection, a), _measured(connection, b)
    if not _measured_alike(of_a, of_b):
        raise NotComparable(of_a.model.id, of_b.model.id)
    classes = len(of_a.model.signature["classes"])
    return _shown(of_a.model, of_b.model, compare(of_a.predictions, of_b.predictions, classes))


@router.get(
    "/{ref}/report",
    summary="How well a model does",
    response_model=Report,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **documented(ModelNotFound, NoReport),
    },
)
@needs(Scope.READ)
def report(
    ref: ModelRef,
    response: Response,
    database: TheDatabase,
    form: Annotated[
        Literal["json", "html"] | None,
        Query(alias="format", description="`html` is a page; so is Accept: text/html."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Report | Response:
    """Accuracy with its interval, scores of each class, confusions, calibration, worst mistakes."""
    model, found = _reported(database, ref)
    if form == "html" or (form is None and pages.prefers_html(accept)):
        return pages.html("report.html", model=model, report=found, largest_matrix=LARGEST_MATRIX)
    response.headers["Vary"] = "Accept"
    return found


@router.get(
    "/{ref}/card",
    summary="A model's card",
    response_class=Response,
    responses={
        200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
        **documented(ModelNotFound, NoReport),
    },
)
@needs(Scope.READ)
def card(ref: ModelRef, database: TheDatabase) -> Response:
    """What the model is, how it was trained, how well it does, and how to ask it: Markdown."""
    model, found = _reported(database, ref)
    columns = [Column.from_json(each) for each in model.signature.get("columns", [])]
    return pages.markdown(
        "card.md",
        model=model,
        created_at=rfc3339(model.created_at),
        report=found,
        preparation=model.signature.get("preparation"),
        fits=FITS,
        columns=columns,
        row=_example_row(columns),
        weakest=min((each for each in found.classes if each.images), key=lambda each: each.recall),
    )


def _reported(database: Database, ref: str) -> tuple[Model, Report]:
    with database.read() as connection:
        model = trained_models.get(connection, ref)
        content = trained_models.evaluation(connection, model, "report")
    return model, Report.model_validate_json(content)


def _example_row(columns: list[Column]) -> str:
    """A usual row of the first columns, as JSON that a shell takes in single quotes."""
    row: dict[str, Any] = {}
    for column in columns[:MOST_SHOWN]:
        text = column.text(0.0 if column.is_category else column.mean)
        row[column.name] = float(text) if text and column.kind == "number" else text
    return json.dumps(row).replace("'", "\\u0027")


class _Measured(NamedTuple):
    """A model and its predictions for the test images."""

    model: Model
    predictions: Predictions


def _measured(connection: Connection, ref: str) -> _Measured:
    model = trained_models.get(connection, ref)
    content = trained_models.evaluation(connection, model, "answers")
    return _Measured(model, Predictions.decode(content))


def _measured_alike(a: _Measured, b: _Measured) -> bool:
    """Whether both models answered the same test images."""
    of_a, of_b = (_tested_on(each.model) for each in (a, b))
    same = of_a is not None and of_a == of_b
    return same and np.array_equal(a.predictions.labels, b.predictions.labels)


def _tested_on(model: Model) -> str | None:
    """Digest of the dataset whose test part has measured the model."""
    found = model.provenance.get("test_of_sha256") or model.provenance.get("dataset_sha256")
    return None if found is None else str(found)


def _shown(a: Model, b: Model, found: Comparison) -> ModelComparison:
    low, high = found.interval
    return ModelComparison(
        a=Compared(model=a.id, name=a.name, accuracy=found.correct_a / found.images),
        b=Compared(model=b.id, name=b.name, accuracy=found.correct_b / found.images),
        images=found.images,
        difference=Interval(value=found.difference, low=low, high=high),
        discordant=Discordant(only_a=found.only_a, only_b=found.only_b),
        p_value=found.p_value,
        classes=[
            RecallDifference(
                label=label,
                images=recall.images,
                a=recall.a,
                b=recall.b,
                difference=None if recall.a is None or recall.b is None else recall.b - recall.a,
            )
            for label, recall in zip(a.signature["classes"], found.recalls, strict=True)
        ],
        verdict=found.verdict,
    )
