"""How the fields of an answer get their meaning, and its schema an example."""

from importlib import import_module
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.docstrings import describe

DOCSTRINGS = ConfigDict(json_schema_extra=describe)
"""Configuration of a model whose fields' docstrings /docs shows."""


def described(example: dict[str, Any] | str) -> ConfigDict:
    """As DOCSTRINGS, with an example.

    One that is given by its name, such as `examples.JOB`, is in a module of this package, and is
    imported once a schema is made: who only reads answers needs none.
    """

    def show(schema: dict[str, Any], model: type[BaseModel]) -> None:
        describe(schema, model)
        schema["examples"] = [_named(example) if isinstance(example, str) else example]

    return ConfigDict(json_schema_extra=show)


def _named(example: str) -> Any:
    module, name = example.split(".")
    return getattr(import_module(f"app.answers.{module}"), name)
