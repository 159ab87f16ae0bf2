"""The rows. Times are whole microseconds since 1970 (UTC); "model" always means a trained one."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial_index(name: str, *columns: str, where: str) -> Index:
    condition = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("first_step_at", BigInteger),
    Column("ended_at", BigInteger),
    # The lease: who runs it, until when, and the attempt that fences every write of the run.
    Column("attempt", Integer, nullable=False),
    # Attempts in a row that ended with a dead process, and the newest checkpoint at the last one.
    Column("lost_attempts", Integer, nullable=False),
    Column("lost_at_step", BigInteger),
    Column("worker", String(128)),  # its id
    Column("lease_expires_at", BigInteger),
    # Where it waits (queue.py): its key and what it requires, and its place there.
    Column("lane", Text, nullable=False, server_default=""),
    Column("queue_at", BigInteger, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False, server_default=false()),
    # What the run said last.
    Column("last_event", BigInteger, nullable=False),
    Column("progress", JSON(none_as_null=True)),
    Column("metrics", JSON, nullable=False),
    Column("failure", JSON(none_as_null=True)),
    Column("retry_of", String(40)),  # the job that this one retries
    Column("chain", String(40), index=True),  # of a retry: the first job of the chain
    Column(
        "applied", JSON(none_as_null=True)
    ),  # the merge patch from that job's spec to this one's
    Column("range_of", String(40), index=True),  # the job for which this range test was made
    Column("verdict", String(32), nullable=False, server_default="unknown"),
    Column("key_id", String(40)),  # the API key that submitted it
    Column("pruned_at", BigInteger),  # since then only the record of an ended job is kept
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),  # see stored.py
    Index("ix_jobs_status_id", "status", "id"),
    # Each holds only what its question is about, so that the answer takes as long after a million
    # ended jobs as after ten.
    # Its status is always the same. Without it SQLite would look for the first lane by
    # ix_jobs_status_id, through every job that waits.
    _partial_index(
        "ix_jobs_waiting", "status", "lane", "queue_at", "id", where="status = 'queued'"
    ),
    _partial_index("ix_jobs_starts_of_key", "key_id", "started_at", where="started_at > 0"),
    _partial_index("ix_jobs_unpruned", "id", where="ended_at IS NOT NULL AND pruned_at IS NULL"),
    _partial_index("ix_jobs_open_of_key", "key_id", where="ended_at IS NULL"),
    _partial_index("ix_jobs_stored_of_key", "key_id", "stored_bytes", where="stored_bytes > 0"),
    _partial_index("ix_jobs_outlived", "id", where="pruned_at IS NOT NULL AND stored_bytes > 0"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_id", String(40), primary_key=True),  # the API key; empty where none is asked for
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of method, path and body
    Column("made", String(64)),  # id of what the request made; set in the same transaction
    Column("created_at", BigInteger, nullable=False, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("work", String(32), nullable=False),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("data", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),  # that failed; of a delivery, that were begun
    Column("due_at", BigInteger, nullable=False, index=True),
)

events = Table(
    "events",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("id", BigInteger, primary_key=True),  # 1, 2, 3, ... within the job
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("value", Float, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", String(64)),  # of the content; none where an older traind wrote it
)

# Apart from the jobs, whose lists need none of it.
diagnoses = Table(
    "diagnoses",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("content", JSON, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("signature", JSON, nullable=False),  # input shape, pixel range, class names
    Column("metrics", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),  # dataset digest, versions, threads
    Column("weights_sha256", String(64), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
)

model_files = Table(
    "model_files",
    metadata,
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),  # weights, onnx, report or answers
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False, index=True),
    Column("updated_at", BigInteger, nullable=False),
    Column("chain", String(40)),  # the first job of the chain whose best model autopilot names
)

promotions = Table(
    "promotions",
    metadata,
    Column("alias", String(64), primary_key=True),
    Column("id", BigInteger, primary_key=True),  # 1, 2, 3, ... within the alias
    Column("model_id", String(40), nullable=False, index=True),  # it may have been deleted since
    Column("at", BigInteger, nullable=False),
    Column("key_id", String(40)),  # who promoted it
)

# A name keeps count of its versions, so that no number comes twice, deleted ones included.
dataset_names = Table(
    "dataset_names",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("last_version", Integer, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", ForeignKey("dataset_names.name"), nullable=False),
    Column("version", Integer, nullable=False),  # 1, 2, 3, ... of the name
    Column("kind", String(16), nullable=False),
    Column("options", JSON, nullable=False),  # how to read it
    Column("file_name", Text, nullable=False),  # what its owner calls the file; never a path here
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("key_id", String(40)),
    # The uploaded file, an object (objects.py); null until it is whole.
    Column("content_sha256", String(64), index=True),
    Column("content_bytes", BigInteger, nullable=False, server_default="0"),
    # The lease of its import, as that of a job.
    Column("attempt", Integer, nullable=False),
    Column("lost_attempts", Integer, nullable=False),
    Column("worker", String(128)),
    Column("lease_expires_at", BigInteger),  # while it is queued: until when it rests
    Column("progress", JSON(none_as_null=True)),
    # What the import found, or why it refused the file.
    Column("facts", JSON(none_as_null=True)),
    Column("refusal", JSON(none_as_null=True)),
    UniqueConstraint("name", "version"),
    _partial_index("ix_datasets_open", "status", "id", where="status IN ('queued', 'importing')"),
    _partial_index(
        "ix_datasets_stored_of_key", "key_id", "content_bytes", where="content_bytes > 0"
    ),
)

# Apart from the datasets, whose lists need none of it.
dataset_reports = Table(
    "dataset_reports",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("content", JSON, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("max_jobs", Integer),
    Column("max_stored_bytes", BigInteger),
    Column("max_requests_per_second", Float),
    # Names of destinations that hear of the jobs which it submits.
    Column("webhooks", JSON, nullable=False, server_default="[]"),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(40), primary_key=True),  # of one process, from its start to its end
    Column("name", String(128), nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("version", String(64), nullable=False),
    # What it offers to jobs.
    Column("labels", JSON, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("memory_mb", BigInteger, nullable=False),
    Column("device", String(16), nullable=False),
    Column("device_name", String(128)),
    Column("engine", String(16), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False, index=True),
    Column("speed", JSON(none_as_null=True)),  # what its calibration measured
    # Since when it takes no jobs, why, and whether it gives back those that it has.
    Column("drained_at", BigInteger),
    Column("drain_reason", Text),
    Column("gives_back", Boolean, nullable=False, server_default=false()),
)
