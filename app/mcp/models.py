"""Tools about models: list, look, compare, promote, roll back."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.mcp.answers import Answer, rounded, rounded_metrics
from app.mcp.connection import service

ModelRef = Annotated[str, Field(description="Id of the model, or an alias such as latest.")]
Alias = Annotated[
    str, Field(description="Such as production, which answers predictions that name no model.")
]
MOST_CLASSES = 20
"""Names of classes that an answer shows; there may be a thousand."""
MOST_DIFFERENT = 5
"""Classes of a comparison that are shown, those first that differ most."""


class ModelLine(Answer):
    """A model in a list."""

    id: str
    """Its id, for other tools."""
    name: str
    """What people call it."""
    aliases: list[str]
    """Names that mean this model now."""
    job: str
    """Id of the job that made it."""
    dataset: str
    """What it was trained on."""
    test_accuracy: float | None = None
    """Fraction of correct predictions on test examples, 0 to 1."""


class ModelList(Answer):
    """Models."""

    models: list[ModelLine]
    """Those that match."""
    more: bool
    """Whether others match, too."""


class Model(ModelLine):
    """A model: what it takes and how well it does."""

    takes: str
    """What predict must send it."""
    classes: list[str]
    """The first 20 names that it may answer."""
    class_count: int
    """How many classes there are."""
    metrics: dict[str, float | None]
    """Results on test examples: losses in nats, accuracies from 0 to 1."""


class RecallDifference(Answer):
    """How two models differ in finding one class."""

    label: str
    """The class."""
    a: float | None = None
    """Fraction of its test examples that a predicts correctly."""
    b: float | None = None
    """Fraction of them that b predicts correctly."""


class Comparison(Answer):
    """Two models on the same test examples; differences are b minus a."""

    a: str
    """Id of the first model."""
    b: str
    """Id of the second one."""
    accuracy_a: float
    """Accuracy of a, 0 to 1."""
    accuracy_b: float
    """Accuracy of b, 0 to 1."""
    difference: tuple[float, float]
    """Lower and upper end of the 95% interval of accuracy_b - accuracy_a."""
    p_value: float
    """How likely such a difference is between equally good models (McNemar's exact test)."""
    examples: int
    """Test examples that both have predicted."""
    verdict: str
    """What the figures say."""
    classes: list[RecallDifference]
    """The five classes that differ most."""


class AliasState(Answer):
    """An alias."""

    name: str
    """Its name."""
    model: str
    """Id of the model that it names now."""
    previous: str | None = None
    """Id of the model before: roll_back_alias leads there."""


def list_models(
    sort: Annotated[
        Literal["newest", "oldest", "accuracy"], Field(description="accuracy: best first.")
    ] = "newest",
    dataset: Annotated[
        str | None, Field(description="Only models that were trained on this dataset.")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="Most models to list.")] = 10,
) -> ModelList:
    """List trained models, a few fields each."""
    found = list(service().each_model(limit + 1, sort=sort, dataset=dataset))
    lines = [ModelLine(**_line(model)) for model in found[:limit]]
    return ModelList(models=lines, more=len(found) > limit)


def show_model(model: ModelRef) -> Model:
    """Show a model: what it takes, what it tells apart, how well it does. Resource
    traind://models/{model}/card says more."""
    found = service().model(model)
    return Model(
        **_line(found),
        takes=_takes(found),
        classes=found["classes"][:MOST_CLASSES],
        class_count=len(found["classes"]),
        metrics=rounded_metrics(found["metrics"]),
    )


def compare_models(a: ModelRef, b: ModelRef) -> Comparison:
    """Say whether model b is better than a, or it is chance. Both must have been measured on the
    same test examples."""
    found = service().compare(a, b)
    differing = sorted(found["classes"], key=lambda each: -abs(each["difference"] or 0))
    return Comparison(
        a=found["a"]["model"],
        b=found["b"]["model"],
        accuracy_a=rounded(found["a"]["accuracy"]),
        accuracy_b=rounded(found["b"]["accuracy"]),
        difference=tuple(rounded(found["difference"][end]) for end in ("low", "high")),
        p_value=rounded(found["p_value"]),
        examples=found["images"],
        verdict=found["verdict"],
        classes=[
            RecallDifference(label=each["label"], a=rounded(each["a"]), b=rounded(each["b"]))
            for each in differing[:MOST_DIFFERENT]
        ],
    )


def promote_model(model: ModelRef, alias: Alias = "production") -> AliasState:
    """Make an alias name a model. From then on production answers all users' predictions that name
    no model; roll_back_alias takes it back."""
    return _alias(service().promote(model, alias))


def roll_back_alias(alias: Alias = "production") -> AliasState:
    """Make an alias name the model that it named before."""
    return _alias(service().roll_back(alias))


def _line(model: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": model["id"],
        "name": model["name"],
        "aliases": model["aliases"],
        "job": model["job"],
        "dataset": model["spec"]["dataset"]["name"],
        "test_accuracy": rounded(model["metrics"].get("test_accuracy")),
    }


def _takes(model: dict[str, Any]) -> str:
    if model["columns"] is not None:
        columns = ", ".join(f"{each['name']} ({each['kind']})" for each in model["columns"])
        return f"rows as objects with {columns}; it predicts {model['target']}"
    channels, height, width = model["input_shape"]
    dark, bright = model["pixel_range"]
    return (
        f"images: {height} rows of {width} pixels, {channels} channel(s), values from {dark:g} "
        f"(black) to {bright:g} (white); or image files in base64"
    )


def _alias(found: dict[str, Any]) -> AliasState:
    return AliasState(name=found["name"], model=found["model"], previous=found["previous"])
