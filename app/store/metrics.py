"""The curves of a run: one number per name and step."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, tuple_

from app.store.tables import metrics


@dataclass(frozen=True)
class Point:
    """One measured value of a run. `step` counts optimizer steps from the job's start."""

    name: str
    step: int
    epoch: int
    value: float


def append(connection: Connection, job_id: str, points: list[Point]) -> None:
    """Records points of one job; a resumed run may measure again what a dead one had measured."""
    if not points:
        return
    keys = [(point.name, point.step) for point in points]
    again = tuple_(metrics.c.name, metrics.c.step).in_(keys)
    connection.execute(delete(metrics).where(metrics.c.job_id == job_id, again))
    connection.execute(insert(metrics), [{"job_id": job_id, **vars(point)} for point in points])


def forget_after(connection: Connection, job_id: str, step: int) -> None:
    """Drops what a lost attempt measured beyond the step from which the next one starts."""
    connection.execute(delete(metrics).where(metrics.c.job_id == job_id, metrics.c.step > step))


def points(
    connection: Connection, job_id: str, after: tuple[str, int] | None, limit: int
) -> list[Point]:
    """Points of one job by name and step, from behind the (name, step) `after`."""
    query = (
        select(metrics.c.name, metrics.c.step, metrics.c.epoch, metrics.c.value)
        .where(metrics.c.job_id == job_id)
        .order_by(metrics.c.name, metrics.c.step)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(metrics.c.name, metrics.c.step) > after)
    return [Point(**row._mapping) for row in connection.execute(query)]
