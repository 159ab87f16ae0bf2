"""The docstrings of a model's fields, as their descriptions in its JSON schema.

pydantic's `use_attribute_docstrings` reads the source of each model when its class is made, which
took a fifth of the API's start. Here it is read when a schema is asked for.
"""

import ast
import inspect
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Adds the descriptions to a model's schema: a `json_schema_extra` of its configuration."""
    properties = schema.get("properties", {})
    for kind in model.__mro__:
        for name, text in _docstrings(kind).items():
            if name in properties:
                properties[name].setdefault("description", text)


def _docstrings(kind: type) -> dict[str, str]:
    """The text below each field that a class declares itself, by the field's name."""
    if not issubclass(kind, BaseModel) or kind.__module__.startswith("pydantic"):
        return {}
    body = _classes(kind.__module__).get(kind.__qualname__, [])
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(below.value.value, str)
    }


@cache
def _classes(module: str) -> dict[str, list[ast.stmt]]:
    """The statements of each class of a module."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {each.name: each.body for each in tree.body if isinstance(each, ast.ClassDef)}
