"""The curves of a job: every measured value by name and step."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from app.answers.jobs import MetricPoint

LOSSES, ACCURACIES = "loss", "accuracy"
"""How names of curves end, by what they measure."""


class Curves(Sequence["MetricPoint"]):
    """The points of a job's curves, by name and step."""

    def __init__(self, points: "Sequence[MetricPoint]") -> None:
        self._points = list(points)

    @overload
    def __getitem__(self, index: int) -> "MetricPoint": ...

    @overload
    def __getitem__(self, index: slice | str) -> "list[MetricPoint]": ...

    def __getitem__(self, index: int | slice | str) -> "MetricPoint | list[MetricPoint]":
        """The point at a place, or those of a curve by its name, such as `running_loss`."""
        if isinstance(index, str):
            return [point for point in self._points if point.name == index]
        return self._points[index]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> "Iterator[MetricPoint]":
        return iter(self._points)

    @property
    def names(self) -> list[str]:
        """Names of the curves."""
        return list(dict.fromkeys(point.name for point in self._points))

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each point: `name`, `step`, `epoch` and `value`.

        `.pivot(index="step", columns="name", values="value")` has a column for each curve.

        Raises:
            ImportError: pandas is not installed: `pip install 'traind[notebook]'`.
        """
        import pandas as pd  # noqa: PLC0415 (only for those who have it)

        fields = ("name", "step", "epoch", "value")
        return pd.DataFrame(
            {field: [getattr(point, field) for point in self._points] for field in fields}
        )

    def plot(self, title: str = "") -> Any:
        """Losses and accuracies beside each other, by step: a matplotlib figure.

        Raises:
            ImportError: matplotlib is not installed: `pip install 'traind[notebook]'`.
        """
        from matplotlib.figure import Figure  # noqa: PLC0415 (only for those who have it)

        figure = Figure(figsize=(10, 4), layout="constrained")
        figure.suptitle(title)
        for axes, ending in zip(figure.subplots(1, 2), (LOSSES, ACCURACIES), strict=True):
            names = [name for name in self.names if name.endswith(ending)]
            for name in names:
                points = self[name]
                # A curve of few points, one for each epoch, is seen by its points.
                axes.plot(
                    [point.step for point in points],
                    [float("nan") if point.value is None else point.value for point in points],
                    marker="o" if len(points) <= 30 else None,
                    markersize=3,
                    label=name,
                )
            axes.set_xlabel("step")
            axes.set_ylabel("loss (nats)" if ending == LOSSES else "accuracy")
            axes.grid(alpha=0.3)
            if names:
                axes.legend()
        return figure
