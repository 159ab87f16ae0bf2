"""The Python client of traind: send the description of a training job, watch it, use its model.

    from traind import Client

    with Client() as client:
        job = client.train(preset="digits").wait(progress=True)
        print(job.model().predict("seven.png")[0].label)

`AsyncClient` has the same methods, to be awaited. What they answer are the API's own models, in
`app.answers`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from traind._async.client import AsyncClient
from traind._async.datasets import AsyncDatasets
from traind._async.jobs import AsyncJob
from traind._async.models import AsyncModel
from traind._sync.client import Client
from traind._sync.datasets import Datasets
from traind._sync.jobs import Job
from traind._sync.models import Model
from traind.curves import Curves
from traind.errors import BadInput, BadKey, DatasetRefused, JobFailed, NoModel, Problem
from traind.packing import CannotPack, NothingToPack

if TYPE_CHECKING:
    from app.jobspec import JobSpec

__all__ = [
    "AsyncClient",
    "AsyncDatasets",
    "AsyncJob",
    "AsyncModel",
    "BadInput",
    "BadKey",
    "CannotPack",
    "Client",
    "Curves",
    "DatasetRefused",
    "Datasets",
    "Job",
    "JobFailed",
    "JobSpec",
    "Model",
    "NoModel",
    "NothingToPack",
    "Problem",
]


def __getattr__(name: str) -> Any:
    if name == "JobSpec":  # it takes longer to import than all else
        return import_module("app.jobspec").JobSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
