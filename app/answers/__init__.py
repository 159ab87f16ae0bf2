"""What the API answers: every field with its meaning and its unit. A module a resource.

Modules are imported when they are first used, as `answers.jobs.Job`: a client that asks for one
kind of answer does not wait for the others.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.answers import (
        charts,
        datasets,
        diagnoses,
        jobs,
        models,
        pages,
        predictions,
        reports,
        workers,
    )

__all__ = [
    "charts",
    "datasets",
    "diagnoses",
    "jobs",
    "models",
    "pages",
    "predictions",
    "reports",
    "workers",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
