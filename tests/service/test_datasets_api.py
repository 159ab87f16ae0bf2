"""Making, naming and listing datasets: what is refused is not stored."""

from typing import Any

import pytest

from tests.service.conftest import Api, problem_of
from tests.service.uploading import offset, put
from tests.shared import empty


@pytest.fixture(scope="module")
def api(api: Api) -> Api:
    """Without a dataset."""
    empty(api.database, api.service.url)
    return api


def listed(api: Api, **query: Any) -> list[str]:
    answer = api.http.get("/datasets", params=query)
    assert answer.status_code == 200, answer.text
    return [f"{each['name']}@{each['version']}" for each in answer.json()["data"]]


def test_options_are_stored_with_their_defaults(api: Api) -> None:
    wanted = {"name": "scans", "image": {"size": [48, 64], "color": "grey"}, "deduplicate": True}
    made = api.http.post("/datasets", json=wanted)
    assert made.headers["location"] == f"/datasets/{made.json()['id']}"
    assert made.json()["options"] == {
        "image": {"size": [48, 64], "fit": "crop", "color": "grey", "ground": "#ffffff"},
        "table": {
            "target": None,
            "columns": {},
            "delimiter": None,
            "encoding": None,
            "header": None,
        },
        "parts": {"test_fraction": 0.2, "seed": 0, "group": None, "split": None},
        "deduplicate": True,
        "file": None,
        "label": None,
        "base": None,
    }
    assert made.json()["status"] == "awaiting_upload"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "Cats"}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "ds_mine"}, "/name"),
        ({"name": "x" * 64}, "/name"),
        ({"name": "cats", "kind": "sound"}, "/kind"),
        ({"name": "cats", "path": "/etc/passwd"}, "/path"),
        ({"name": "cats", "file_name": "a\0b"}, "/file_name"),
        ({"name": "cats", "image": {"size": 4}}, "/image/size"),
        ({"name": "cats", "image": {"size": [8, 8, 8]}}, "/image/size"),
        ({"name": "cats", "image": {"ground": "white"}}, "/image/ground"),
        ({"name": "cats", "parts": {"test_fraction": 0}}, "/parts/test_fraction"),
        ({"name": "cats", "table": {"target": "y"}}, "/table"),
        ({"name": "rows", "kind": "table", "image": {"size": 32}}, "/image"),
        ({"name": "rows", "kind": "table", "label": "y"}, "/label"),
        ({"name": "rows", "kind": "table", "file": "y"}, "/file"),
        ({"name": "rows", "kind": "table", "table": {"columns": {"a": "text"}}}, "/table/columns"),
        ({"name": "rows", "kind": "table", "table": {"delimiter": "x"}}, "/table/delimiter"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], pointer: str) -> None:
    before = listed(api)
    document = problem_of(api.http.post("/datasets", json=body), 422, "invalid_request")
    assert {error["pointer"].split("/")[1] for error in document["errors"]} == {
        pointer.split("/")[1]
    }
    assert any(error["pointer"].startswith(pointer) for error in document["errors"])
    assert listed(api) == before


def test_a_wrong_size_is_one_error(api: Api) -> None:
    answer = api.http.post("/datasets", json={"name": "cats", "image": {"size": 0}})
    document = problem_of(answer, 422, "invalid_request")
    assert document["detail"] == "/image/size: must be at least 8."
    assert document["errors"] == [{"pointer": "/image/size", "detail": "must be at least 8"}]


def test_a_built_in_name_is_taken(api: Api) -> None:
    answer = api.http.post("/datasets", json={"name": "mnist"})
    assert "another name" in problem_of(answer, 409, "dataset_name_taken")["detail"]


def test_a_post_that_is_sent_again_makes_nothing_twice(api: Api) -> None:
    headers = {"Idempotency-Key": "once"}
    first = api.http.post("/datasets", json={"name": "once"}, headers=headers)
    again = api.http.post("/datasets", json={"name": "once"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert listed(api, name="once") == ["once@1"]


def test_lists_are_paged_newest_first(api: Api) -> None:
    for name in ("birds", "fish", "birds", "birds"):
        api.http.post("/datasets", json={"name": name})
    assert listed(api, name="birds") == ["birds@3", "birds@2", "birds@1"]
    page = api.http.get("/datasets", params={"limit": 3}).json()
    assert [each["name"] for each in page["data"]] == ["birds", "birds", "fish"]
    rest = listed(api, limit=1, after=page["next"])
    assert rest == ["birds@1"]
    assert api.http.get("/datasets/birds@2").json()["version"] == 2
    assert api.http.get("/datasets/birds").json()["version"] == 3
    problem_of(api.http.get("/datasets", params={"after": "x"}), 422, "invalid_request")


def test_a_job_on_a_dataset_that_is_not_ready_is_refused(api: Api) -> None:
    api.http.post("/datasets", json={"name": "soon"})
    before = api.rows()
    for name in ("soon", "soon@1", "never"):
        answer = api.http.post("/jobs", json={"dataset": {"name": name}})
        document = problem_of(answer, 422, "invalid_request")
        assert document["errors"][0]["pointer"] == "/dataset/name"
        assert "GET /datasets" in document["errors"][0]["detail"]
    assert api.rows() == before


def test_a_folder_that_cannot_be_written_to_is_named_and_holds_up_no_deletion(api: Api) -> None:
    made = api.http.post("/datasets", json={"name": "dogs", "file_name": "dogs.zip"}).json()["id"]
    folder = api.home / "objects" / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.rename(folder.with_name("aside"))
    folder.touch()
    try:
        detail = problem_of(put(api, made, b"content"), 500, "folder_unwritable")["detail"]
        assert detail.startswith("TRAIND_HOME/objects/uploads cannot be written to")
        assert offset(api, made) == 0
        assert api.http.delete(f"/datasets/{made}").status_code == 204
        assert api.http.get(f"/datasets/{made}").status_code == 404
    finally:
        folder.unlink()
        aside.rename(folder)
