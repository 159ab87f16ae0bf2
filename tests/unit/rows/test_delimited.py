"""A file to predict from is read by the rules of the import."""

from pathlib import Path

import pytest

from app.jobspec.import_options import TableOptions
from app.rows.columns import Column
from app.rows.delimited import column_names
from app.serving.row_inputs import from_rows
from app.serving.table_signature import TableSignature
from traind import files
from worker.imports.rows.files import read

FILES = {
    "two of one name": "a,a,label\n1,2,x\n3,4,y\n",
    "space around names": "id, age , label\n1,40,x\n2,41,y\n",
    "a quoted name with commas": '"a, b, c";"y";"label"\n1;2;x\n3;4;y\n',
    "an empty first line": "\n\na,b,label\n1,2,x\n3,4,y\n",
    "a name that is missing": "a,,label\n1,2,x\n3,4,y\n",
    "e and an accent": "cafe\u0301,label\n1,x\n2,y\n",
    "line ends of old": "a,b\r1,2\r3,4\r",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", FILES)
def test_a_prediction_names_columns_as_the_import_does(
    name: str, encoding: str, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    text = FILES[name] if encoding != "cp1252" else FILES[name].replace("e\u0301", "é")
    file.write_bytes(text.encode(encoding))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    table = read(file, TableOptions(header=True), scratch, None)
    found = files.read(file)
    assert isinstance(found, files.Inputs)
    assert list(found.values[0]) == table.names
    with table.connection as connection:
        imported = connection.execute("SELECT * FROM texts").fetchall()
    assert [tuple(row.values()) for row in found.values] == imported


def test_repeated_and_empty_names_are_numbered() -> None:
    assert column_names(["a", " a", "", "a_2", "x" * 300]) == [
        "a",
        "a_2",
        "column_3",
        "a_2_2",
        "x" * 200,
    ]


@pytest.mark.parametrize("name", ["age", " age ", "age\u00a0"])
def test_a_row_may_name_its_columns_as_the_file_did(name: str) -> None:
    signature = TableSignature([Column("age", "number")], "label", ["x", "y"], "d")
    found = from_rows([{name: 40}], signature)
    assert found.rows.tolist() == [[40.0]]
    assert found.warnings == {}
    (warning,) = from_rows([{"age": 40, " age ": 41, "label": "x"}], signature).warnings[0]
    assert warning.code == "extra_column"
