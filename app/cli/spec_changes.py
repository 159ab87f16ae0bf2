"""Changes to a specification by `--set training.optimizer.lr=0.05`."""

from typing import Any

import typer

from app import json_text


def with_field(spec: dict[str, Any], change: str) -> dict[str, Any]:
    """The specification with one field set; sections on the way to it are made.

    The value is read as JSON where it is JSON, else as text. Whether there is such a field is for
    the API to say.

    Raises:
        typer.BadParameter: it is no PATH=VALUE.
    """
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise typer.BadParameter(f"{change!r} is no PATH=VALUE, such as training.epochs=3")
    return _with(spec, path.split("."), _value(text))


def _with(section: Any, path: list[str], value: Any) -> dict[str, Any]:
    name, *rest = path
    fields = dict(section) if isinstance(section, dict) else {}
    fields[name] = _with(fields.get(name), rest, value) if rest else value
    return fields


def _value(text: str) -> Any:
    try:
        return json_text.parse(text.encode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return text
