"""The file of a dataset over HTTP: whole, in parts, broken, too large, damaged, deleted."""

import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from app.store import datasets, imports, keys
from app.store.keys import Limits, Scope
from tests import runs
from tests.service.conftest import Api, problem_of, serving
from tests.service.uploading import digest_of, offset, put
from tests.waiting import until

MIB = 2**20
MAX_UPLOAD_BYTES = 400 * MIB


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("uploads"), max_upload_bytes=MAX_UPLOAD_BYTES) as api:
        yield api


@pytest.fixture
def dataset(api: Api) -> Iterator[str]:
    made = api.http.post("/datasets", json={"name": "cats", "file_name": "my cats.zip"})
    assert made.status_code == 201, made.text
    yield made.json()["id"]
    api.http.delete(f"/datasets/{made.json()['id']}")


def test_a_file_that_is_sent_whole_waits_for_its_import(api: Api, dataset: str) -> None:
    content = random.Random(1).randbytes(3 * MIB + 5)
    assert offset(api, dataset) == 0
    answer = put(api, dataset, content, Content_Digest=digest_of(content))
    assert answer.status_code == 202, answer.text
    shown = answer.json()
    assert shown["status"] == "queued"
    assert shown["content"] == {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    assert api.http.get(f"/datasets/{dataset}").json() == shown
    fetched = api.http.get(f"/datasets/{dataset}/content")
    assert fetched.content == content
    assert fetched.headers["repr-digest"] == digest_of(content)
    assert "my%20cats.zip" in fetched.headers["content-disposition"]
    head = api.http.head(f"/datasets/{dataset}/content")
    assert int(head.headers["content-length"]) == len(content)
    some = api.http.get(f"/datasets/{dataset}/content", headers={"Range": "bytes=10-19"})
    assert (some.status_code, some.content) == (200, content)  # as RFC 9110, 14.2 allows
    again = put(api, dataset, content)
    assert "queued" in problem_of(again, 409, "not_awaited")["detail"]


def test_a_file_comes_in_parts(api: Api, dataset: str) -> None:
    content = random.Random(2).randbytes(2 * MIB + 3)
    cuts = [0, 1, MIB, MIB + 17, len(content)]
    for start, end in pairwise(cuts):
        part = content[start:end]
        answer = put(
            api,
            dataset,
            part,
            Content_Range=f"bytes {start}-{end - 1}/{len(content)}",
            Content_Digest=digest_of(part),
            Repr_Digest=digest_of(content),
        )
        if end < len(content):
            assert (answer.status_code, answer.json()) == (200, {"received": end})
            assert answer.headers["upload-offset"] == str(end)
            assert offset(api, dataset) == end
    assert answer.status_code == 202
    assert api.http.get(f"/datasets/{dataset}/content").content == content


def test_a_part_in_the_wrong_place_changes_nothing(api: Api, dataset: str) -> None:
    put(api, dataset, b"01234", Content_Range="bytes 0-4/10")
    answer = put(api, dataset, b"789", Content_Range="bytes 7-9/10")
    problem_of(answer, 409, "upload_misplaced")
    assert answer.headers["upload-offset"] == "5"
    assert offset(api, dataset) == 5
    answer = put(api, dataset, b"3456789", Content_Range="bytes 3-9/10")  # sent twice: no harm
    assert answer.status_code == 202
    assert api.http.get(f"/datasets/{dataset}/content").content == b"0123456789"


@pytest.mark.parametrize(
    "header",
    ["bytes 0-4/*", "bytes */10", "bytes 4-0/10", "bytes 0-10/10", "bytes 0-3/10", "0-4/10", "x"],
)
def test_a_range_that_is_none_is_refused(api: Api, dataset: str, header: str) -> None:
    answer = put(api, dataset, b"01234", Content_Range=header)
    problem_of(answer, 422, "invalid_body")
    assert offset(api, dataset) == 0


def test_damage_on_the_way_is_found(api: Api, dataset: str) -> None:
    put(api, dataset, b"01234", Content_Range="bytes 0-4/10")
    damaged = put(
        api,
        dataset,
        b"5678X",
        Content_Range="bytes 5-9/10",
        Content_Digest=digest_of(b"56789"),
    )
    problem_of(damaged, 422, "digest_mismatch")
    assert offset(api, dataset) == 5  # the part alone is sent again
    damaged = put(
        api,
        dataset,
        b"5678X",
        Content_Range="bytes 5-9/10",
        Repr_Digest=digest_of(b"0123456789"),
    )
    problem_of(damaged, 422, "digest_mismatch")
    assert offset(api, dataset) == 0  # nobody knows which part it was


def test_an_empty_or_packed_file_is_refused(api: Api, dataset: str) -> None:
    problem_of(put(api, dataset, b""), 422, "invalid_body")
    problem_of(put(api, dataset, b"x", Content_Encoding="gzip"), 415, "unsupported_media_type")
    problem_of(put(api, "ds_none", b"x"), 404, "dataset_not_found")
    assert offset(api, dataset) == 0


def test_a_file_without_a_length_is_read_to_its_end(api: Api, dataset: str) -> None:
    answer = api.http.put(f"/datasets/{dataset}/content", content=iter([b"one", b"two"]))
    assert answer.status_code == 202
    assert answer.json()["content"]["bytes"] == 6


def test_a_file_that_is_too_large_is_refused_before_it_is_read(api: Api, dataset: str) -> None:
    beyond = MAX_UPLOAD_BYTES + 1
    answer = put(api, dataset, b"x", Content_Range=f"bytes 0-0/{beyond}")
    assert "TRAIND_MAX_UPLOAD_BYTES" in problem_of(answer, 413, "body_too_large")["detail"]


def test_a_broken_upload_goes_on_where_it_stopped(api: Api, dataset: str, seed: int) -> None:
    """The connection is cut 20 times at random places."""
    chance = random.Random(seed)
    content = chance.randbytes(8 * MIB)
    for _ in range(20):
        start = offset(api, dataset)
        sent = chance.randrange(1, 400_000)
        with socket.create_connection((api.http.base_url.host, api.http.base_url.port)) as cut:
            head = (
                f"PUT /datasets/{dataset}/content HTTP/1.1\r\nHost: {api.http.base_url.host}\r\n"
                f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n"
                f"Content-Length: {len(content) - start}\r\n\r\n"
            )
            cut.sendall(head.encode() + content[start : start + sent])
            cut.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while cut.recv(65536):  # until the server has heard that nothing more comes
                    pass
        until(lambda: settled(api, dataset))
        assert start <= offset(api, dataset) <= start + sent
    start = offset(api, dataset)
    rest = put(
        api,
        dataset,
        content[start:],
        Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}",
    )
    assert rest.status_code == 202, rest.text
    assert rest.json()["content"]["sha256"] == sha256(content).hexdigest()


def settled(api: Api, dataset: str) -> bool:
    """Whether no request writes the file any more: a part beyond the end would be misplaced."""
    answer = put(api, dataset, b"x", Content_Range=f"bytes {9 * MIB}-{9 * MIB}/{10 * MIB}")
    return answer.status_code == 409 and answer.json()["code"] == "upload_misplaced"


def test_memory_stays_flat(api: Api, dataset: str) -> None:
    process = psutil.Process(api.service.processes["app"].pid)
    size, piece = 300, b"\0" * MIB
    before = process.memory_info().rss

    def pieces() -> Iterator[bytes]:
        for _ in range(size):
            yield piece
            peaks.append(process.memory_info().rss)

    peaks: list[int] = []
    answer = api.http.put(f"/datasets/{dataset}/content", content=pieces())
    assert answer.status_code == 202
    assert max(peaks) - before < 64 * MIB


def test_deleting_removes_the_bytes_unless_another_version_has_them(api: Api) -> None:
    made = [api.http.post("/datasets", json={"name": "dogs"}).json()["id"] for _ in range(2)]
    for each in made:
        assert put(api, each, b"the same bytes").status_code == 202
    stored = api.home / "objects" / "sha256"
    digest = sha256(b"the same bytes").hexdigest()
    for each, stays in zip(made, (True, False), strict=True):
        assert api.http.delete(f"/datasets/{each}").status_code == 204
        assert (stored / digest[:2] / digest).exists() is stays
        problem_of(api.http.get(f"/datasets/{each}"), 404, "dataset_not_found")
    unfinished = api.http.post("/datasets", json={"name": "dogs"}).json()
    assert unfinished["version"] == 3
    put(api, unfinished["id"], b"01234", Content_Range="bytes 0-4/10")
    api.http.delete(f"/datasets/{unfinished['id']}")
    assert not list((api.home / "objects" / "uploads").glob(unfinished["id"]))


def test_a_file_that_is_gone_is_said(api: Api, dataset: str) -> None:
    digest = put(api, dataset, b"soon gone").json()["content"]["sha256"]
    (api.home / "objects" / "sha256" / digest[:2] / digest).unlink()
    answer = api.http.get(f"/datasets/{dataset}/content")
    assert "backup" in problem_of(answer, 500, "object_missing")["detail"]


def test_a_key_stores_no_more_than_its_quota(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        with api.database.write() as connection:
            scopes = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})
            key, token = keys.create(connection, "k", scopes, Limits(stored_bytes=10))
        until(lambda: api.http.get("/datasets").status_code == 401)  # the API has heard of keys
        api.http.headers["Authorization"] = f"Bearer {token}"
        made = api.http.post("/datasets", json={"name": "mine"}).json()
        assert made["submitted_by"] == key.id
        problem_of(put(api, made["id"], b"x" * 11), 429, "quota_exceeded")
        assert offset(api, made["id"]) == 0
        url = f"/datasets/{made['id']}/content"
        unannounced = api.http.put(url, content=iter([b"x" * 11]))
        problem_of(unannounced, 411, "length_required")
        assert offset(api, made["id"]) == 0
        other = api.http.post("/datasets", json={"name": "other"}).json()["id"]
        part = put(api, other, b"x" * 6, Content_Range="bytes 0-5/7")  # unfinished ones count, too
        assert part.status_code == 200
        problem_of(put(api, made["id"], b"x" * 10), 429, "quota_exceeded")
        assert api.http.delete(f"/datasets/{other}").status_code == 204
        assert put(api, made["id"], b"x" * 10).status_code == 202
        problem_of(api.http.post("/datasets", json={"name": "more"}), 429, "quota_exceeded")
        assert api.http.delete(f"/datasets/{made['id']}").status_code == 204
        assert api.http.post("/datasets", json={"name": "more"}).status_code == 201


def test_a_file_that_nobody_can_use_is_imported_again_when_asked(api: Api, dataset: str) -> None:
    put(api, dataset, b"no archive")
    with api.database.write() as connection:
        lease = runs.claim_import(connection)
        assert lease is not None
        assert lease.dataset_id == dataset
        imports.refuse(connection, lease, "unknown_format", "It is no archive.", "Send a zip.")
    refused = api.http.get(f"/datasets/{dataset}", params={"wait": 60}).json()
    assert refused["status"] == "refused"
    assert refused["refusal"]["advice"] == "Send a zip."
    again = api.http.post(f"/datasets/{dataset}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    problem_of(api.http.post(f"/datasets/{dataset}/retry"), 409, "not_awaited")


def test_whoever_waits_hears_that_an_import_has_ended(api: Api, dataset: str) -> None:
    put(api, dataset, b"a file")
    with api.database.write() as connection:
        lease = runs.claim_import(connection)
        assert lease is not None
    still = api.http.get(f"/datasets/{dataset}", params={"wait": 0.2}).json()
    assert still["status"] == "importing"
    with api.database.write() as connection:
        imports.renew(connection, lease, {"done": 1, "total": 2, "what": "images"})
        progress = datasets.get(connection, dataset).progress
        facts = {"input_shape": [1, 8, 8], "classes": 2, "train_images": 80, "test_images": 20}
    assert api.http.get(f"/datasets/{dataset}").json()["progress"] == progress
    problem_of(api.http.get(f"/datasets/{dataset}/report"), 409, "dataset_not_ready")
    with api.database.write() as connection:
        imports.succeed(connection, lease, facts, {"warnings": []})
    ready = api.http.get(f"/datasets/{dataset}", params={"wait": 60}).json()
    assert ready["facts"] == facts | {
        "id": dataset,
        "version": ready["version"],
        "kind": "image",
        "validation_images": 0,
        "revealing": [],
        "sha256": None,
        "duplicates": 0,
    }
    assert api.http.get(f"/datasets/{dataset}/report").json() == {"warnings": []}
    plan = api.http.post("/jobs/validate", json={"dataset": {"name": "cats"}}).json()
    assert plan["spec"]["dataset"]["facts"] == ready["facts"]
    assert plan["layer_sizes"] == [64, 500, 2]
