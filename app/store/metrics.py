"""The curves of a run: one number per name and step."""

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, delete, func, insert, select, tuple_

from app.store.tables import metrics

MOST_POINTS = 4000
"""How many points a curve may have before it is thinned out."""
STRETCHES = 1000
"""Equal stretches of steps into which a thinned curve is divided; two points of each stay."""
AT_ONCE = 1000
"""Most points of one statement: SQLite binds at most 32,766 values."""


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
    for start in range(0, len(keys), AT_ONCE):
        again = tuple_(metrics.c.name, metrics.c.step).in_(keys[start : start + AT_ONCE])
        connection.execute(delete(metrics).where(metrics.c.job_id == job_id, again))
    connection.execute(insert(metrics), [{"job_id": job_id, **vars(point)} for point in points])
    for name in {point.name for point in points}:
        thin_out(connection, job_id, name)


def thin_out(connection: Connection, job_id: str, name: str) -> None:
    """Halves a curve that has grown beyond its bound, and keeps its shape.

    Of each of many equal stretches of steps the least and the greatest value stay, and the first
    and the last of all.
    """
    mine = (metrics.c.job_id == job_id, metrics.c.name == name)
    count = select(func.count()).where(*mine)
    if connection.execute(count).scalar_one() <= MOST_POINTS:
        return
    drawn = select(metrics.c.step, metrics.c.value).where(*mine).order_by(metrics.c.step)
    rows = connection.execute(drawn).all()
    first, last = rows[0].step, rows[-1].step
    width = (last - first + 1) / STRETCHES
    kept = {first, last}
    for _, stretch in groupby(rows, key=lambda row: int((row.step - first) / width)):
        points = list(stretch)
        kept |= {edge(points, key=lambda row: row.value).step for edge in (min, max)}
    dropped = [row.step for row in rows if row.step not in kept]
    for start in range(0, len(dropped), AT_ONCE):
        some = metrics.c.step.in_(dropped[start : start + AT_ONCE])
        connection.execute(delete(metrics).where(*mine, some))


def forget_after(connection: Connection, job_id: str, step: int) -> None:
    """Drops points beyond the step from which the next attempt resumes."""
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
