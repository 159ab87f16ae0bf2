"""How many bytes the jobs and the datasets of an API key keep: what quotas count.

The sum of a job stands in the job's own row, so that a key's total is read from an index. Whoever
adds or drops a checkpoint or a model calls `recount` in the same transaction.
"""

from sqlalchemy import Connection, func, literal_column, select, update

from app.store.tables import checkpoints, datasets, jobs, model_files, models

SOME = jobs.c.stored_bytes > literal_column("0")
"""As the partial index has it: a bound parameter would not be matched to it."""


def recount(connection: Connection, job_id: str) -> None:
    """Sets the sum of a job. `length` reads the size of a blob and not the blob."""
    of_checkpoints = select(func.coalesce(func.sum(func.length(checkpoints.c.content)), 0)).where(
        checkpoints.c.job_id == job_id
    )
    of_model = (
        select(func.coalesce(func.sum(func.length(model_files.c.content)), 0))
        .join(models, models.c.id == model_files.c.model_id)
        .where(models.c.job_id == job_id)
    )
    total = of_checkpoints.scalar_subquery() + of_model.scalar_subquery()
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(stored_bytes=total))


def of_key(connection: Connection, key_id: str) -> int:
    """Bytes that the jobs and the uploaded files of an API key keep together."""
    of_jobs = select(func.coalesce(func.sum(jobs.c.stored_bytes), 0))
    size = datasets.c.content_bytes
    of_datasets = select(func.coalesce(func.sum(size), 0)).where(
        datasets.c.key_id == key_id, size > literal_column("0")
    )
    total = connection.execute(of_jobs.where(jobs.c.key_id == key_id, SOME)).scalar_one()
    return int(total) + int(connection.execute(of_datasets).scalar_one())
