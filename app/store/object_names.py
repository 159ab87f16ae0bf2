"""Which versions of datasets name an object as their file."""

from sqlalchemy import Connection, select

from app.store.locks import hold_name
from app.store.tables import datasets


def hold(connection: Connection, digest: str) -> None:
    """Until the transaction ends, nobody else names this object or discards it."""
    hold_name(connection, f"object {digest}")


def is_named(connection: Connection, digest: str) -> bool:
    """Whether a version has this object as its file; hold the object before."""
    naming = select(datasets.c.id).where(datasets.c.content_sha256 == digest).limit(1)
    return connection.execute(naming).first() is not None


def versions(connection: Connection) -> dict[str, list[str]]:
    """The versions that name each object, as name@version, by its digest."""
    columns = datasets.c.content_sha256, datasets.c.name, datasets.c.version
    rows = connection.execute(
        select(*columns)
        .where(datasets.c.content_sha256.is_not(None))
        .order_by(datasets.c.name, datasets.c.version)
    )
    found: dict[str, list[str]] = {}
    for digest, name, version in rows:
        found.setdefault(digest, []).append(f"{name}@{version}")
    return found


def named(connection: Connection) -> set[str]:
    """The digests of all objects that are named."""
    digest = datasets.c.content_sha256
    return set(connection.execute(select(digest).where(digest.is_not(None)).distinct()).scalars())
