"""`traind models`, `model`, `compare`, and the aliases: what has been trained, and what serves."""

from typing import Annotated, Any

import typer

from app.cli.connection import Every, Limit, Url, connected
from app.cli.terminal import AsJson, console, print_facts, print_json, print_rows

Model = Annotated[str, typer.Argument(metavar="MODEL", help="An id, or an alias.")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="Such as production.")]


def list_models(
    *,
    sort: Annotated[
        str | None,
        typer.Option(help="newest, oldest, or best first by a measure, such as accuracy."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only models that were trained on this dataset.")
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(help="Least accuracy on the test set, 0 to 1.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only of jobs with this label. May come again."),
    ] = None,
    limit: Limit = 20,
    every: Every = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List trained models."""
    with connected(url) as client:
        found = client.each_model(
            None if every else limit,
            sort=sort,
            dataset=dataset,
            min_accuracy=min_accuracy,
            label=label,
        )
        if as_json:
            for model in found:
                print_json(model)
        else:
            columns = ("id", "name", "aliases", "dataset", "test accuracy", "created")
            print_rows(columns, map(_row, found))


def show_model(model: Model, *, as_json: AsJson = False, url: Url = None) -> None:
    """Show a model: what it takes, what it tells apart, and how well it does."""
    with connected(url) as client:
        found = client.model(model)
    if as_json:
        print_json(found)
        return
    facts = [
        ("id", found["id"]),
        ("name", found["name"]),
        ("aliases", ", ".join(found["aliases"])),
        ("job", found["job"]),
        ("created", found["created_at"]),
        ("dataset", found["spec"]["dataset"]["name"]),
        ("takes", _input(found)),
        ("classes", ", ".join(found["classes"])),
    ]
    if found["description"]:
        facts.insert(2, ("description", found["description"]))
    facts += [(name, _number(value)) for name, value in found["metrics"].items()]
    facts += [(f"{kind} bytes", str(each["bytes"])) for kind, each in found["files"].items()]
    print_facts(facts)


def list_aliases(*, as_json: AsJson = False, url: Url = None) -> None:
    """List aliases: which model each names, and to which a rollback leads."""
    with connected(url) as client:
        found = client.aliases()
    if as_json:
        for alias in found:
            print_json(alias)
    else:
        rows = ((a["name"], a["model"], a["previous"] or "", a["updated_at"]) for a in found)
        print_rows(("alias", "model", "before", "since"), rows)


def promote(model: Model, alias: Alias, *, as_json: AsJson = False, url: Url = None) -> None:
    """Make an alias name a model; predictions that name none are answered by production."""
    with connected(url) as client:
        _show_alias(client.promote(model, alias), as_json=as_json)


def rollback(alias: Alias, *, as_json: AsJson = False, url: Url = None) -> None:
    """Make an alias name the model that it named before."""
    with connected(url) as client:
        _show_alias(client.roll_back(alias), as_json=as_json)


def compare(
    a: Annotated[str, typer.Argument(metavar="MODEL", help="The one that is there.")],
    b: Annotated[str, typer.Argument(metavar="OTHER", help="The one that may be better.")],
    *,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Compare two models on the same test set: is the second better, or is it chance?"""
    with connected(url) as client:
        found = client.compare(a, b)
    if as_json:
        print_json(found)
        return
    difference = found["difference"]
    sides = [found["a"], found["b"]]
    print_rows(
        ("", *(each["model"] for each in sides)),
        [
            ("name", *(each["name"] for each in sides)),
            ("accuracy", *(f"{each['accuracy']:.2%}" for each in sides)),
            *(
                (f"recall of {each['label']}", _percent(each["a"]), _percent(each["b"]))
                for each in found["classes"]
            ),
        ],
    )
    low, high = (f"{difference[end]:+.2%}" for end in ("low", "high"))
    print_facts(
        [
            ("difference", f"{difference['value']:+.2%} ({low} to {high})"),
            ("p", f"{found['p_value']:.3g}"),
            ("verdict", found["verdict"]),
        ]
    )


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    accuracy = model["metrics"].get("test_accuracy")
    return (
        model["id"],
        model["name"],
        ", ".join(model["aliases"]),
        model["spec"]["dataset"]["name"],
        _percent(accuracy),
        model["created_at"],
    )


def _input(model: dict[str, Any]) -> str:
    if model["columns"] is not None:
        names = ", ".join(column["name"] for column in model["columns"])
        return f"rows with {names}; predicts {model['target']}"
    channels, height, width = model["input_shape"]
    return f"images of {height} x {width} pixels, {'grey' if channels == 1 else 'colour'}"


def _show_alias(alias: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(alias)
        return
    before = f", before: {alias['previous']}" if alias["previous"] else ""
    console.print(f"{alias['name']} names {alias['model']}{before}")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"
