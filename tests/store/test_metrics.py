"""Curves stay bounded in size and keep their shape."""

import math

from app.jobspec import JobSpec
from app.store import jobs, metrics
from app.store.database import Database
from app.store.metrics import MOST_POINTS, Point


def test_a_long_curve_is_thinned_out_and_keeps_its_first_last_and_extreme_points(
    store: Database,
) -> None:
    with store.write() as connection:
        job_id = jobs.submit(connection, JobSpec().model_dump(mode="json")).id
    drawn = {step: math.sin(step / 3000) + (step % 7) / 100 for step in range(1, 20_001)}
    drawn[7_777] = 50.0
    drawn[12_345] = -50.0
    steps = list(drawn)
    for start in range(0, len(steps), 500):
        points = [Point("loss", step, 1, drawn[step]) for step in steps[start : start + 500]]
        with store.write() as connection:
            metrics.append(connection, job_id, points)
    with store.read() as connection:
        kept = metrics.points(connection, job_id, None, 100_000)
    assert len(kept) <= MOST_POINTS
    by_step = {point.step: point.value for point in kept}
    assert {1, 7_777, 12_345} <= set(by_step)
    assert max(by_step) == 20_000
    assert all(drawn[step] == value for step, value in by_step.items())
    gaps = [after - before for before, after in zip(by_step, list(by_step)[1:], strict=False)]
    assert max(gaps) < 200


def test_a_point_that_is_measured_again_replaces_the_first(store: Database) -> None:
    with store.write() as connection:
        job_id = jobs.submit(connection, JobSpec().model_dump(mode="json")).id
        metrics.append(connection, job_id, [Point("loss", 5, 1, 1.0)])
        metrics.append(connection, job_id, [Point("loss", 5, 1, 2.0)])
        assert [point.value for point in metrics.points(connection, job_id, None, 9)] == [2.0]
