"""From an uploaded table to rows of texts in DuckDB, in the order of the file.

CSV is brought to UTF-8 first, and JSON to CSV: DuckDB reads both in pieces and says which lines it
cannot read. Everything is text at first: a formula of a spreadsheet is a text like any other, and a
column means the same in all kinds of files.
"""

import codecs
import csv
from pathlib import Path
from typing import NamedTuple

import duckdb

from app.jobspec.import_options import TableOptions
from app.rows.columns import InvalidValue, as_number, as_text
from app.rows.delimited import (
    REPLACEMENT,
    clean,
    column_names,
    first_record,
    found_delimiter,
    sendable,
)
from worker.imports import database, parquet_columns
from worker.imports.database import identifier, refusing
from worker.imports.examples import LeftOut
from worker.imports.refusals import Refusal
from worker.imports.rows import json_rows
from worker.imports.tables import some

MAX_ROWS, MAX_COLUMNS = 1_000_000, 1000
LISTED = 1000
"""Lines that cannot be read are kept with their reasons, up to this number; more are counted."""
BLOCK = 2**20
"""Characters that are recoded at once."""
SAMPLE = 2**20
"""Length of the beginning, in bytes or characters, that tells the kind of file, the delimiter and
the header."""
SAVE_IT_AGAIN = "Save it as CSV in UTF-8 with a header, or as Parquet."
BYTES, SEVERAL = "bytes", "lists or objects"
"""What values are that cannot be read."""
TOO_LARGE = "Send fewer rows or columns, or raise TRAIND_RUN_MEMORY_MB."
"""What helps where the memory does not suffice."""


class Table(NamedTuple):
    """A table in DuckDB: `texts`, whose columns are c0, c1 and so on, all VARCHAR."""

    connection: duckdb.DuckDBPyConnection
    names: list[str]
    """What the columns are called."""
    rows: int
    left_out: list[LeftOut]
    """Lines that cannot be read: the first, each with its reason."""
    damaged: int
    """How many there are."""
    format: str
    """What kind of file it is, for people."""
    unread: dict[str, str]
    """Columns that were not read, and what each holds, such as lists or bytes."""

    def column(self, wanted: str | None, option: str) -> int | None:
        """The number of the column that an option names; None where it names none.

        Raises:
            Refusal: there is none of that name, or it was not read.
        """
        if wanted is None or wanted in self.names:
            return None if wanted is None else self.names.index(wanted)
        if wanted in self.unread:
            raise self.no_values(wanted)
        raise Refusal(
            "no_column",
            f"The table has no column {wanted!r}, which {option} names; it has {some(self.names)}.",
            "Name one of these.",
        )

    def no_values(self, name: str) -> Refusal:
        """Why a column that was not read cannot be used."""
        bytes_to_text = f"In pandas, df[{name!r}].str.decode('utf-8') makes texts of bytes."
        return Refusal(
            "no_column",
            f"The values of the column {name!r} are {self.unread[name]}.",
            bytes_to_text if self.unread[name] == BYTES else "Write texts or numbers into it.",
        )


def read(path: Path, options: TableOptions, scratch: Path, memory_mb: int | None) -> Table:
    """The table of a file; its first bytes say what kind of file it is.

    Raises:
        Refusal: it is of no known kind, damaged, empty or too large.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    if head[:4] == b"PAR1":
        table = _parquet(path, scratch, memory_mb)
    elif head[:2] == b"PK" or b"\0\0\0" in head:
        raise Refusal("unknown_format", "The file is no CSV, Parquet or JSON.", SAVE_IT_AGAIN)
    elif (text := head.lstrip(b"\xef\xbb\xbf \t\r\n"))[:1] == b"{" or json_rows.is_array(text):
        table = _json(path, scratch, memory_mb, is_array=text[:1] == b"[")
    else:
        table = _csv(path, head, options, scratch, memory_mb)
    if table.rows > MAX_ROWS:
        raise Refusal(
            "too_many_rows",
            f"The table has {table.rows} rows; {MAX_ROWS} are the most.",
            "Send a sample of them.",
        )
    return table


def _csv(
    path: Path, head: bytes, options: TableOptions, scratch: Path, memory_mb: int | None
) -> Table:
    encoding: str = options.encoding or _encoding(path, head)
    if encoding == "utf-8":
        encoding = "utf-8-sig"  # without the mark that it may begin with
    utf8 = scratch / "table.csv"
    with (
        path.open(encoding=encoding, errors="backslashreplace", newline="") as source,
        utf8.open("w", encoding="utf-8", newline="") as target,
    ):
        while piece := source.read(BLOCK):
            target.write(piece if target.tell() else piece.lstrip("\r\n"))  # no empty first lines
    with utf8.open(encoding="utf-8", newline="") as file:
        beginning = file.read(SAMPLE)
    try:
        delimiter = options.delimiter or found_delimiter(beginning)
        cells = first_record(beginning, delimiter)
    except csv.Error as error:
        raise Refusal(
            "damaged_file", f"The CSV file cannot be read: {error}.", SAVE_IT_AGAIN
        ) from error
    if not cells:
        raise Refusal("empty_file", "The file has no rows.", "Send a table with a header and rows.")
    header = options.header
    if header is None:
        header = _names_columns(cells, options.target)
    names = cells if header else [f"column_{number}" for number in range(1, len(cells) + 1)]
    table = _delimited(utf8, delimiter, names, header=header, kind="CSV", memory_mb=memory_mb)
    if len(names) == 1 and table.damaged > table.rows:
        raise Refusal(
            "unreadable",
            f"The first line has one value, {cells[0][:80]!r}, and most others have more.",
            "Remove what stands above the names of the columns.",
        )
    return table


def _encoding(path: Path, head: bytes) -> str:
    """UTF-16 with a byte-order mark as Excel writes it, UTF-8, or else Windows' own."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(BLOCK):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _names_columns(cells: list[str], target: str | None) -> bool:
    """Whether a first line is a header: it names the target, or none of its values is a number."""
    return target in cells or not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        as_number(cell.strip())
    except InvalidValue:
        return False
    return True


def _delimited(
    path: Path,
    delimiter: str,
    names: list[str],
    *,
    header: bool,
    kind: str,
    memory_mb: int | None,
    left_out: list[LeftOut] | None = None,
) -> Table:
    names = _unique(names)
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(names)))
    connection = database.opened(path, memory_mb=memory_mb, storage=path.with_suffix(".duckdb"))
    with refusing(f"The {kind} file", TOO_LARGE):
        connection.execute(
            "CREATE TABLE texts AS SELECT * FROM read_csv(?, delim=?, header=?, quote='\"', "
            "escape='\"', auto_detect=false, ignore_errors=true, store_rejects=true, "
            f"columns={{{columns}}})",
            [str(path), delimiter, header],
        )
        bad = connection.execute(
            "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
        ).fetchall()
        rows = _count(connection)
    lines = [LeftOut(f"line {line}", str(reason)[:200]) for line, reason in bad]
    lines = [*(left_out or []), *lines]
    return Table(connection, names, rows, lines[:LISTED], len(lines), kind, {})


def _json(path: Path, scratch: Path, memory_mb: int | None, *, is_array: bool) -> Table:
    """Twice through the file: for the names of all columns, and for the values."""
    read = json_rows.of_array if is_array else json_rows.of_lines
    names: dict[str, None] = {}
    nested: set[str] = set()
    wrong: list[LeftOut] = []
    for place, row in read(path):
        if isinstance(row, LeftOut):
            wrong.append(row)
            continue
        names |= dict.fromkeys(row)
        nested |= {name for name, value in row.items() if isinstance(value, list | dict)}
        if len(names) > MAX_COLUMNS and len(nested) < len(row):
            raise _too_many_columns(len(names), place)
    kept = [name for name in names if name not in nested]
    if not kept:
        raise json_rows.without_columns(list(names), wrong)
    csv_path = scratch / "table.csv"
    with csv_path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for _, row in read(path):
            if not isinstance(row, LeftOut):
                writer.writerow([_cell(row.get(name)) for name in kept])
    kind = "JSON" if is_array else "JSON lines"
    table = _delimited(
        csv_path, ",", kept, header=False, kind=kind, memory_mb=memory_mb, left_out=wrong
    )
    return table._replace(unread=dict.fromkeys(map(clean, sorted(nested)), SEVERAL))


def _cell(value: object) -> str:
    try:
        return sendable(as_text(value) or "").replace("\0", REPLACEMENT)
    except InvalidValue:
        return ""


def _parquet(path: Path, scratch: Path, memory_mb: int | None) -> Table:
    storage = scratch / "table.duckdb"
    connection = database.opened(path, memory_mb=memory_mb, storage=storage)
    with refusing("The Parquet file", f"Write it with smaller row groups. {TOO_LARGE}"):
        columns = parquet_columns.of_file(connection, path)
        single = [each for each in columns if _holds_single_values(each.kind)]
        _check_columns(len(columns))
        if not single:
            raise Refusal(
                "no_columns",
                "The Parquet file has no columns of single values.",
                "Is it one of pictures? Those are imported with the kind image.",
            )
        cast = ", ".join(
            f"CAST({identifier(each.asked)} AS VARCHAR) AS c{number}"
            for number, each in enumerate(single)
        )
        question = f"CREATE TABLE texts AS SELECT {cast} FROM read_parquet(?)"
        connection.execute(question, [str(path)])
        rows = _count(connection)
    unread = {
        clean(each.name): BYTES if each.kind == "BLOB" else SEVERAL
        for each in columns
        if each not in single
    }
    names = [each.name for each in single]
    return Table(connection, _unique(names), rows, [], 0, "Parquet", unread)


def _holds_single_values(kind: str) -> bool:
    others = ("STRUCT", "MAP", "UNION", "BLOB", "BIT")
    return not (kind.endswith("]") or kind.startswith(others))


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT count(*) FROM texts").fetchone()
    return int(found[0]) if found else 0


def _unique(names: list[str]) -> list[str]:
    _check_columns(len(names))
    return column_names(names)


def _check_columns(count: int) -> None:
    if count > MAX_COLUMNS:
        raise _too_many_columns(count, "line 1")


def _too_many_columns(count: int, place: str) -> Refusal:
    return Refusal(
        "too_many_columns",
        f"The table has {count} columns by {place}; {MAX_COLUMNS} are the most.",
        "Send fewer columns, and check the delimiter.",
    )
