"""What the store refuses, an error for each cause."""


class StoreError(Exception):
    """What the store refuses; the message says why and what to do."""


class JobNotFound(StoreError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id!r}; GET /jobs lists them.")


class ModelNotFound(StoreError):
    """No model has this id or alias."""

    def __init__(self, ref: str) -> None:
        hint = (
            "No model has been trained yet; POST /jobs trains one."
            if ref == "latest"
            else "GET /models lists ids and aliases."
        )
        super().__init__(f"There is no model {ref!r}. {hint}")


class ModelInUse(StoreError):
    """A model that an alias names is to be deleted."""

    def __init__(self, model_id: str, names: list[str]) -> None:
        hint = "promote another model first"
        if names == ["latest"]:
            hint = "latest names the newest model and moves on with the next one that is trained"
        super().__init__(f"Model {model_id} is {' and '.join(names)}; {hint}.")


class AliasNotFound(StoreError):
    """No alias has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no alias {name!r}; PUT /models/aliases/{name} makes one, "
            "GET /models/aliases lists them."
        )


class AliasKept(StoreError):
    """`latest` is kept by the service."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} always names the newest model and cannot be set; use another name, "
            "such as production."
        )


class NothingToRollBack(StoreError):
    """The alias has named no other model that still exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has named no other model that still exists.")


class NoReport(StoreError):
    """The model was published before reports were kept."""

    def __init__(self, model_id: str, job_id: str) -> None:
        super().__init__(
            f"{model_id} was published before models had reports; train it again: "
            f"POST /jobs/{job_id}/retry."
        )


class FileDamaged(StoreError):
    """A model's file is not what was stored."""

    def __init__(self, model_id: str, kind: str) -> None:
        super().__init__(
            f"The {kind} of {model_id} is damaged: its digest is not the one that was stored. "
            "Restore the database from a backup, or train the model again."
        )


class NotComparable(StoreError):
    """Two models were not measured on the same test images."""

    def __init__(self, a: str, b: str) -> None:
        super().__init__(
            f"{a} and {b} were not measured on the same test images; compare models that were "
            "trained on the same dataset."
        )


class DatasetNotFound(StoreError):
    """No version of a dataset is meant by this."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no dataset {ref!r}; GET /datasets lists them.")


class DatasetNameTaken(StoreError):
    """A built-in dataset has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a built-in dataset; use another name.")


class DatasetInUse(StoreError):
    """A dataset is to be deleted that a job, or a dataset that adds to it, needs."""

    def __init__(self, dataset_id: str, reason: str) -> None:
        super().__init__(f"{dataset_id} cannot be deleted yet: {reason}.")


class DatasetNotReady(StoreError):
    """A dataset has not been imported, or was refused."""

    def __init__(self, dataset_id: str, status: str, refusal: dict[str, str] | None) -> None:
        super().__init__(
            f"{dataset_id} was refused and has no report. {refusal['message']} {refusal['advice']}"
            if refusal
            else f"{dataset_id} is {status}; what was found in it is known once it is ready. "
            f"GET /datasets/{dataset_id} says where it is."
        )


class NotAwaited(StoreError):
    """The state of a dataset does not allow what was asked."""

    def __init__(self, dataset_id: str, status: str) -> None:
        super().__init__(
            f"{dataset_id} is {status}: it takes no other file, and only a refused one is "
            "imported again. POST /datasets with the same name makes the next version."
        )


class UploadBusy(StoreError):
    """Another request uploads the same file at the moment."""

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"Another request uploads the file of {dataset_id}; wait until it ends.")


class UploadMisplaced(StoreError):
    """A part of an upload does not begin where the part before has ended."""

    def __init__(self, offset: int, start: int) -> None:
        super().__init__(
            f"{offset} bytes have arrived, so the next part begins at {offset}, not at {start}. "
            "HEAD says how far an upload is, in Upload-Offset."
        )
        self.offset = offset


class DigestMismatch(StoreError):
    """What arrived is not what its digest says."""

    def __init__(self, header: str) -> None:
        super().__init__(
            f"What arrived does not have the digest of {header}; it was damaged on its way and "
            "is not kept. Send it again."
        )


class ObjectMissing(StoreError):
    """The uploaded file of a dataset is not where it was put."""

    def __init__(self, dataset_id: str) -> None:
        super().__init__(
            f"The file of {dataset_id} is missing in TRAIND_HOME/objects, or in the bucket of "
            "TRAIND_OBJECTS. Put it back from a backup, or send it as the name's next version."
        )


class KeyNotFound(StoreError):
    """No key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id!r}; `traind keys list` shows them.")


class QuotaExceeded(StoreError):
    """The key that asks may not have more."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The quota of this key is used up: {reason}.")


class IllegalMove(StoreError):
    """The job's state does not allow what was asked."""

    def __init__(self, job_id: str, status: str, asked: str) -> None:
        super().__init__(f"Job {job_id} is {status}; {asked} is not possible any more.")


class NothingToApply(StoreError):
    """A job has no suggestion that a retry could apply."""

    def __init__(self, job_id: str, verdict: str) -> None:
        super().__init__(
            f"The diagnosis of {job_id} is {verdict} and suggests no other specification, or none "
            f"that is still kept; GET /jobs/{job_id}/diagnosis says what is known, and `patch` "
            "takes a change of your own."
        )


class NoRangeTest(StoreError):
    """No range test was made for a job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"No learning-rate range test was made for {job_id}; "
            f"POST /jobs/{job_id}/lr-range makes one."
        )


class IdempotencyConflict(StoreError):
    """An Idempotency-Key came again with another request."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The Idempotency-Key {key!r} was used for a different request; use a new key."
        )


class LeaseLost(StoreError):
    """The run no longer holds its job: its lease ran out, or the job was taken from it."""

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(f"Attempt {attempt} no longer holds job {job_id}; its write is refused.")


class DatabaseBusy(StoreError):
    """Others kept the database locked for too long."""

    def __init__(self) -> None:
        super().__init__("The database is busy; try again in a few seconds.")


class StorageFull(StoreError):
    """The disk has no room for a write; nothing of it was stored."""

    def __init__(self) -> None:
        super().__init__(
            "The disk of the service is full, and nothing was stored; delete models or make room, "
            "then try again. Reading goes on."
        )


class DatabaseMissing(StoreError):
    """A command needs a database that is there, and there is none."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"There is no database of traind at {where}: check TRAIND_HOME and "
            "TRAIND_DATABASE_URL; `traind serve` makes one."
        )


class DatabaseUnavailable(StoreError):
    """The database cannot be opened."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The database {where} cannot be opened: {reason}. Check TRAIND_HOME and "
            "TRAIND_DATABASE_URL."
        )


class DatabaseInUse(StoreError):
    """Another process uses a database that must be at rest."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The database {where} is in use: stop every process of traind that uses it, and try "
            "again."
        )


class ReferencesBroken(StoreError):
    """An upgrade would leave rows that refer to missing ones."""

    def __init__(self, tables: list[str], rows: int) -> None:
        super().__init__(
            f"The database was not upgraded: {rows} rows of {', '.join(tables)} refer to rows that "
            "are missing. It is as it was before; restore a backup, or go on with the old version."
        )


class SchemaMismatch(StoreError):
    """The database was made by another version of traind."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(
            f"The database has schema {found}, this traind knows {expected}: "
            "run the version that made it, or a newer one."
        )
