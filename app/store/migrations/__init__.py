"""The schema's history. `migrate` brings a database to the newest schema, one process at a time."""

from pathlib import Path

from sqlalchemy import inspect, text

from app.store.database import Database
from app.store.errors import SchemaMismatch

FIRST, SCHEMA = "0001", "0013"
"""The oldest schema and the newest: the first and the last revision under versions/."""


def migrate(database: Database) -> None:
    """Creates or upgrades the schema, and sees to WAL mode; every entry point calls it at start.

    Raises:
        SchemaMismatch: another traind made the database, a newer one or one before the first.
        ReferencesBroken: the upgrade was undone, because rows would have lost what they refer to.
        DatabaseBusy: another process kept the database locked.
    """
    if schema_of(database) == SCHEMA and database.has_write_ahead_log:
        return
    with database.migrating():  # eight processes that made one database at once failed without it
        found = schema_of(database)
        if found is not None and not FIRST <= found <= SCHEMA:
            raise SchemaMismatch(found, SCHEMA)
        if not database.has_write_ahead_log:
            database.use_write_ahead_log()
        if found != SCHEMA:
            _upgrade(database)


def schema_of(database: Database) -> str | None:
    """The revision of a database's schema; None where it has no tables yet."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version = connection.execute(text("SELECT version_num FROM alembic_version"))
        return version.scalar_one_or_none()


def _upgrade(database: Database) -> None:
    # Imported here: alembic takes 0.2 s, and most starts have nothing to migrate.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    with database.rebuild() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
