"""`traind doctor`: is everything there that the service needs, and what to do where it is not."""

import platform
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from app.cli import data_checks
from app.cli.checks import Check, Verdict
from app.cli.exit_codes import ERROR
from app.cli.terminal import AsJson, console, print_json, print_line, printable

if TYPE_CHECKING:
    from app.settings import Settings
    from app.store.database import Connection, Database
    from app.store.disk import DatabaseDamaged

LITTLE_ROOM = 2 * 10**9
"""Free bytes below which the disk is worth a warning: a few hundred checkpoints."""
NO_ROOM = 200 * 10**6
"""Free bytes below which a job may fail for the disk."""
PARTS = {
    "fastapi": "the API cannot run here; install traind[api]",
    "onnxruntime": "the API cannot predict here; install traind[api]",
    "torch": "no worker can run here; install traind[worker]",
}
"""What is missing without a package, and what to do."""


STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def doctor(*, as_json: AsJson = False) -> None:
    """Check versions, disk, database, workers, queue, clock, data, webhooks, MLflow and port.

    A line for each says ok, warn or fail, and what to do. Exit code 1 if something fails.
    """
    from app.settings import Settings

    found = list(checks(Settings.from_environment()))
    for check in found:
        if as_json:
            print_json(asdict(check))
        else:
            _print(check)
    if any(check.verdict is Verdict.FAIL for check in found):
        raise typer.Exit(ERROR)


def checks(settings: "Settings") -> Iterator[Check]:
    """Every check, in the order in which one would look for a fault."""
    yield from _versions()
    yield _room(settings.home)
    yield from _database(settings)
    yield data_checks.built_in(settings.datasets)
    if settings.objects:
        yield data_checks.bucket(settings.objects)
    yield _webhooks(settings.webhooks)
    if settings.mlflow_uri:
        yield _mlflow(settings.mlflow_uri)
    yield _port(settings)


def _print(check: Check) -> None:
    if not console.is_terminal:
        print_line((check.verdict, check.name, check.found, check.advice))
        return
    line = Text.assemble((f"{check.verdict:<4}", STYLES[check.verdict]), f"  {check.name}: ")
    line.append(printable(check.found))
    console.print(line)
    if check.advice:
        console.print(Text(f"      {printable(check.advice)}", "dim"))


def _versions() -> Iterator[Check]:
    from app.store.sqlite_library import pysqlite, warn_of_affected

    versions = [f"traind {version('traind')}", f"Python {platform.python_version()}"]
    for package, without in PARTS.items():
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Check(package, Verdict.WARN, f"{package} is not installed", without)
    yield Check("versions", Verdict.OK, ", ".join(versions))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_affected(pysqlite)
    if caught:
        yield Check("sqlite", Verdict.WARN, *str(caught[0].message).split("; ", 1))
    else:
        yield Check("sqlite", Verdict.OK, f"SQLite {pysqlite.sqlite_version}")


def _room(home: Path) -> Check:
    there = next(
        folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists()
    )
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB free at {there}"
    if free < LITTLE_ROOM:
        verdict = Verdict.FAIL if free < NO_ROOM else Verdict.WARN
        return Check("disk", verdict, found, "delete models or datasets, or set TRAIND_HOME")
    return Check("disk", Verdict.OK, found)


def _database(settings: "Settings") -> Iterator[Check]:
    from app.store import database, object_names
    from app.store.disk import DatabaseDamaged
    from app.store.errors import DatabaseMissing, StoreError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLite's version, which has a check of its own
        try:
            opened = database.connect(settings.database, create=False)
        except DatabaseMissing as error:
            yield Check("database", Verdict.WARN, *str(error).split(": ", 1))
            return
        except DatabaseDamaged as error:
            yield _damaged(error)
            return
        except StoreError as error:
            yield Check("database", Verdict.FAIL, str(error))
            return
    try:
        schema = _schema(opened)
        yield schema
        if schema.verdict is Verdict.OK:
            with opened.read() as connection:
                yield _workers(connection)
                yield _clock(connection)
                named = object_names.versions(connection)
            yield from data_checks.files(settings.object_storage, named)
    except DatabaseDamaged as error:  # in pages that are not read when it is opened
        yield _damaged(error)
    finally:
        opened.close()


def _damaged(error: "DatabaseDamaged") -> Check:
    found, advice = str(error).split("): ", 1)
    return Check("database", Verdict.FAIL, f"{found})", advice)


def _schema(opened: "Database") -> Check:
    from app.store import migrations

    found, where = migrations.schema_of(opened), opened.path or "the server"
    if found == migrations.SCHEMA:
        return Check("database", Verdict.OK, f"{where}, schema {found}")
    if found is not None and found > migrations.SCHEMA:
        told = f"{where} has schema {found}, this traind knows {migrations.SCHEMA}"
        return Check("database", Verdict.FAIL, told, "run the version that made it, or a newer one")
    told = f"{where} has schema {found or 'none'}, this traind makes {migrations.SCHEMA} of it"
    return Check("database", Verdict.WARN, told, "back it up; `traind serve` upgrades it")


def _workers(connection: "Connection") -> Check:
    from app.store import lanes, workers

    alive = [each for each in workers.listed(connection) if each.is_alive]
    if not alive:
        advice = "`traind serve` or `traind worker` starts one"
        if lanes.any_waiting(connection):
            return Check("workers", Verdict.FAIL, "jobs wait, and no worker is alive", advice)
        return Check("workers", Verdict.WARN, "none is alive; jobs would wait", advice)
    named = sorted(each.name + (" (drained)" if each.drain else "") for each in alive)
    found = f"{len(alive)} alive: {', '.join(named)}"
    stuck = [
        lane
        for lane in lanes.occupied(connection)
        if all(each.drain or lane.requirements.unmet(each) for each in alive)
    ]
    if stuck:
        advice = "`traind show JOB` says what a job waits for, `traind workers` who has it"
        return Check("workers", Verdict.WARN, f"{found}; jobs wait that none of them takes", advice)
    return Check("workers", Verdict.OK, found)


def _clock(connection: "Connection") -> Check:
    from app.store import clocks

    advice = "set this machine's clock, such as by NTP: leases end by it"
    if (behind := clocks.seconds_behind(connection)) > clocks.TOLERANCE_SECONDS:
        told = f"this clock is {behind:.0f} s behind that of a worker"
        return Check("clock", Verdict.FAIL, told, advice)
    if (off := clocks.seconds_from_server(connection)) > clocks.TOLERANCE_SECONDS:
        told = f"this clock differs by {off:.0f} s from that of the database's server"
        return Check("clock", Verdict.FAIL, told, advice)
    return Check("clock", Verdict.OK, "agrees with the database")


def _webhooks(file: Path | None) -> Check:
    from app import destinations

    if file is None:
        return Check("webhooks", Verdict.OK, "no destination is allowed (TRAIND_WEBHOOKS)")
    try:
        known = destinations.read(file)
    except destinations.BadDestinations as error:
        return Check("webhooks", Verdict.FAIL, str(error), "mend the file; docs/webhooks.md")
    told = f"{', '.join(sorted(known)) or 'no destination'} allowed by {file}"
    if file.stat().st_mode & 0o044:
        advice = f"others may read its secrets: chmod 600 {file}"
        return Check("webhooks", Verdict.WARN, told, advice)
    return Check("webhooks", Verdict.OK, told)


def _mlflow(uri: str) -> Check:
    import httpx

    try:
        version("mlflow-skinny")
    except PackageNotFoundError:
        told = "TRAIND_MLFLOW_URI is set, and mlflow-skinny is not installed"
        return Check("mlflow", Verdict.FAIL, told, "install traind[mlflow] for the workers")
    try:
        httpx.get(f"{uri}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        advice = "start it, or see to TRAIND_MLFLOW_URI; jobs are mirrored for 41 hours"
        return Check("mlflow", Verdict.WARN, f"{uri} does not answer: {error}", advice)
    return Check("mlflow", Verdict.OK, f"answers at {uri}")


def _port(settings: "Settings") -> Check:
    import httpx

    from app import address
    from app.client import Client, Problem

    if settings.port == 0:
        return Check("port", Verdict.OK, "a free one is chosen at the start")
    try:
        address.check_free(settings.host, settings.port)
    except address.AddressUnavailable as error:
        if not str(error).startswith("Another traind"):
            return Check("port", Verdict.FAIL, *str(error).split(": ", 1))
    else:
        return Check("port", Verdict.OK, f"{settings.url} is free; `traind serve` listens there")
    try:
        with Client(settings.url, direct=True) as client:
            client.ready()
    except (Problem, httpx.HTTPError) as error:
        return Check("port", Verdict.FAIL, f"traind at {settings.url} is not ready: {error}")
    return Check("port", Verdict.OK, f"traind answers at {settings.url} and is ready")
