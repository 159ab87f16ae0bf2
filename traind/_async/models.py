"""A trained model, as long as somebody holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from app import answers
from traind import inputs
from traind._async.connection import AsyncConnection
from traind.connecting import path_of
from traind.shown import ShownModel


class AsyncModel(ShownModel):
    """A trained model. `answer` is what the API said of it last."""

    def __init__(self, connection: AsyncConnection, answer: answers.models.TrainedModel) -> None:
        self.answer = answer
        self._connection = connection

    @classmethod
    async def get(cls, connection: AsyncConnection, ref: str) -> Self:
        """The model that an id or an alias names.

        Raises:
            Problem: there is none.
        """
        return cls(
            connection,
            await connection.read(answers.models.TrainedModel, "GET", path_of("models", ref)),
        )

    @property
    def id(self) -> str:
        """`model_` and 26 characters."""
        return self.answer.id

    @property
    def classes(self) -> list[str]:
        """Name of each class, in the order of the probabilities."""
        return self.answer.classes

    async def predict(
        self,
        given: Any,
        *,
        top_k: int | None = None,
        pixel_range: tuple[float, float] | None = None,
        preprocess: Literal["auto", "mnist", "none"] | None = None,
    ) -> list[answers.predictions.Prediction]:
        """A prediction for each input.

        An input is an image file (its path, its content, or open for reading bytes), a PIL image,
        an array of pixels ((H, W), (H, W, C), (C, H, W), or all in a row), or for a table a row: a
        dictionary of values by column. Several of them may come as a list, as an array with one
        dimension more, as a DataFrame of rows, or as the path of a CSV, JSON or JSON lines file of
        rows.

        `pixel_range` says what the darkest and the brightest value of an array are, where it is not
        the model's own; `preprocess` how image files are brought to its input; `top_k` how many of
        the most probable classes are in `top`.

        Raises:
            BadInput: something cannot be an input at all.
            Problem: the model does not take an input, and which.
            OSError: a file cannot be read.
        """
        asked = {"top_k": top_k, "pixel_range": pixel_range, "preprocess": preprocess}
        options = {name: value for name, value in asked.items() if value is not None}
        found: list[answers.predictions.Prediction] = []
        for part in inputs.parts(given, self.answer.input_shape):
            body = {"inputs": part, "model": self.id, **options}
            told = await self._connection.read(
                answers.predictions.Predictions, "POST", "/predict", json=body
            )
            found += told.predictions
        return found

    async def report(self) -> answers.reports.Report:
        """What the test examples say of it."""
        return await self._connection.read(
            answers.reports.Report, "GET", self._path("/report"), query={"format": "json"}
        )

    async def card(self) -> str:
        """What it is, how it was trained, how well it does, and how to ask it: Markdown."""
        return (await self._connection.get(self._path("/card"))).decode()

    async def promote(self, alias: str = "production") -> answers.models.Alias:
        """Makes the alias name this model, from the next prediction on.

        Raises:
            Problem: the alias cannot be set.
        """
        path = path_of("models/aliases", alias)
        return await self._connection.read(
            answers.models.Alias, "PUT", path, json={"model": self.id}
        )

    async def compare(self, other: AsyncModel) -> answers.reports.ModelComparison:
        """Whether the other is better on the same test examples: `a` is this one, `b` the other.

        Raises:
            Problem: they were not measured on the same examples.
        """
        return await self._connection.read(
            answers.reports.ModelComparison,
            "GET",
            "/models/compare",
            query={"a": self.id, "b": other.id},
        )

    async def describe(self, *, name: str | None = None, description: str | None = None) -> Self:
        """Changes what people read of it."""
        sent = {"name": name, "description": description}
        self.answer = await self._connection.read(
            answers.models.TrainedModel, "PATCH", self._path(), json=sent
        )
        return self

    async def weights(self) -> bytes:
        """Its weights, a safetensors file."""
        return await self._connection.get(self._path("/weights"))

    async def onnx(self) -> bytes:
        """Its graph, an ONNX file."""
        return await self._connection.get(self._path("/onnx"))

    async def save(self, path: str | Path) -> Path:
        """Writes its graph (a name that ends in .onnx) or its weights to a file; returns its path.

        Raises:
            OSError: it cannot be written.
        """
        path = Path(path)
        content = await (self.onnx() if path.suffix == ".onnx" else self.weights())
        path.write_bytes(content)
        return path

    async def to_torch(self) -> Any:
        """It as a PyTorch module, ready to be asked or to be trained further.

        The module takes what /predict takes, in the model's pixel range, float32 (B, C, H, W), or
        the numbers of a table's columns, and gives logits, (B, classes).

        Raises:
            ImportError: PyTorch is not installed: `pip install 'traind[torch]'`.
        """
        try:
            from worker.training.restored import restored  # noqa: PLC0415 (it imports torch)
        except ImportError as error:
            raise ImportError(f"{error}: pip install 'traind[torch]'") from error
        return restored(await self.weights())

    async def delete(self) -> None:
        """Deletes it, with its files.

        Raises:
            Problem: an alias names it.
        """
        await self._connection.send("DELETE", self._path(), repeatable=False)

    def _path(self, part: str = "") -> str:
        return path_of("models", self.id, part)
