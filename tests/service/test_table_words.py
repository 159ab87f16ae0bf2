"""A table whose column of classes is not known: every interface names it by its own option."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest

import traind
from app.client import Client
from app.local import Service
from tests.service.commands import refusal
from tests.service.commands import traind as command
from tests.service.conftest import Api

ROWS = pd.DataFrame(
    {"age": range(40), "job": ["a", "b"] * 20, "smokes": ["yes", "no", "no", "no"] * 10}
)


@pytest.fixture
def api(service: Service) -> Api:
    """The file's service, whose worker imports, as commands ask it."""
    return cast(Api, SimpleNamespace(service=service))


@pytest.fixture(params=["few.csv", "few.parquet", "few.json"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    match path.suffix:
        case ".csv":
            ROWS.to_csv(path, index=False)
        case ".json":
            ROWS.to_json(path, orient="records")
        case _:
            ROWS.to_parquet(path)
    return path


def test_the_column_of_classes_is_asked_for_in_the_reader_s_words(
    api: Api, client: Client, file: Path
) -> None:
    service = api.service
    told = refusal(api, "data", "add", "few", str(file))
    assert "--target COLUMN" in told
    assert "{" not in told.replace("{bytes, path}", "")

    with (
        traind.Client(service.url) as typed,
        pytest.raises(traind.DatasetRefused, match=r'table=\{"target": "COLUMN"\}') as refused,
    ):
        typed.datasets.add(file, "few")

    answer = client.datasets.get(refused.value.dataset.id)["refusal"]
    assert '{"kind": "table", "table": {"target": "COLUMN"}}' in answer["advice"]
    for said in (told, str(refused.value), answer["message"]):
        for column in ROWS.columns:
            assert column in said

    told = command(api, "data", "add", "few", str(file), "--target", "smokes")
    assert "40 rows" in told
    assert "age is left out: it numbers the rows; declare it by --column" in told


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--target", "zip"], "which --target names"),
        (["--target", "smokes", "--group", "zip"], "which --group names"),
        (["--target", "smokes", "--split", "zip"], "which --split names"),
        (["--target", "smokes", "--column", "zip=number"], "which --column names"),
    ],
)
def test_a_wrong_column_is_told_by_the_option_that_named_it(
    api: Api, tmp_path: Path, options: list[str], named: str
) -> None:
    file = tmp_path / "few.csv"
    ROWS.to_csv(file, index=False)
    told = refusal(api, "data", "add", "few", str(file), *options)
    assert named in told
    assert "age, job, smokes" in told


def test_an_option_of_pictures_is_told_by_that_of_tables(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "few.csv"
    ROWS.to_csv(file, index=False)
    told = refusal(api, "data", "add", "few", str(file), "--label", "smokes")
    assert "name the class column in --target" in told
