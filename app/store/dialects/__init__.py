"""What differs between SQLite and PostgreSQL: one module each, behind one protocol."""

from sqlalchemy import URL, Connection, Engine

from app.store.dialects.protocol import Bell, Dialect, News, Witness
from app.store.dialects.sqlite import SQLite
from app.store.errors import DatabaseUnavailable

__all__ = ["Bell", "Dialect", "News", "Witness", "for_url", "named", "of"]

_found: dict[str, Dialect] = {"sqlite": SQLite()}


def of(bound: Connection | Engine) -> Dialect:
    """The dialect of a connection or an engine."""
    return named(bound.dialect.name)


def named(name: str) -> Dialect:
    """The dialect of this name: `sqlite` or `postgresql`."""
    if name not in _found:
        # Imported here: a service on SQLite loads nothing of it.
        from app.store.dialects.postgresql import PostgreSQL  # noqa: PLC0415

        _found["postgresql"] = PostgreSQL()
    return _found[name]


def for_url(url: URL) -> Dialect:
    """The dialect that opens this address.

    Raises:
        DatabaseUnavailable: it names another kind of database.
    """
    name = url.get_backend_name()
    if name not in {"sqlite", "postgresql"}:
        known = "only sqlite:/// and postgresql+psycopg:// are known"
        raise DatabaseUnavailable(f"{name}://", known)
    return named(name)
