"""Refuses what a query says under a name that its route does not know, as bodies are refused.

A filter with a typing error would otherwise be left out, and everything be answered.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

SHOWN = 100
"""Most characters of an unknown name in an answer."""

Names = tuple[str, ...]


def declared(dependant: Dependant, extra: dict[str, Any] | None) -> Names:
    """Names of the query's parameters: those that a route's endpoint takes, and those that it
    reads itself and describes in its `openapi_extra`."""
    described = (extra or {}).get("parameters", [])
    return (*_taken(dependant), *(each["name"] for each in described if each["in"] == "query"))


def _taken(dependant: Dependant) -> Names:
    below = [name for each in dependant.dependencies for name in _taken(each)]
    return (*(field.alias for field in dependant.query_params), *below)


@lru_cache(maxsize=256)  # predictions come with the same query again and again
def check(query: bytes, known: Names) -> None:
    """Checks that a query has known names alone.

    Raises:
        RequestValidationError: it has others; the error lists the known ones.
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    unknown = [name for name in dict(pairs) if name not in known]
    if unknown:
        there = f"the parameters are {', '.join(known)}" if known else "there are no parameters"
        why = f"is not known here; {there}"
        raise RequestValidationError(
            [
                {"type": "unknown_parameter", "loc": ("query", name[:SHOWN]), "msg": why}
                for name in unknown
            ]
        )
