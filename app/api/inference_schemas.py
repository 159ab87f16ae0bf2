"""What the Open Inference Protocol says of the server and its models."""

from pydantic import BaseModel, ConfigDict

from app.answers.described import described
from app.api import examples
from app.docstrings import describe


class Server(BaseModel):
    """What this server is."""

    model_config = described(
        {"name": "traind", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
    )

    name: str
    """Always `traind`."""
    version: str
    """The service's version."""
    extensions: list[str]
    """Extensions of the protocol that it has."""


class Live(BaseModel):
    """The server answers."""

    model_config = ConfigDict(json_schema_extra=describe)

    live: bool
    """Always true."""


class Readiness(BaseModel):
    """The server, or a model, can answer."""

    model_config = ConfigDict(json_schema_extra=describe)

    ready: bool
    """Always true; otherwise the answer is an error."""
    name: str | None = None
    """The model, where one was asked for."""


class Tensor(BaseModel):
    """A tensor that a model takes or gives."""

    model_config = ConfigDict(json_schema_extra=describe)

    name: str
    """Its name."""
    datatype: str
    """Type of its numbers."""
    shape: list[int]
    """Its sizes; -1 is any number of images or rows."""


class Metadata(BaseModel):
    """What a model takes and gives."""

    model_config = described(examples.METADATA)

    name: str
    """The name that was asked for."""
    versions: list[str]
    """Id of the model that it means now."""
    platform: str
    """What runs it."""
    inputs: list[Tensor]
    """`pixels`, in the model's own pixel range; of a table, one for each column."""
    outputs: list[Tensor]
    """`probabilities`, in the order of the model's classes."""
