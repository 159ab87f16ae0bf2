"""Digests that an upload states: SHA-256 has its form, and other algorithms are passed over."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from tests.service.conftest import Api, problem_of
from tests.service.uploading import digest_of, offset, put


@pytest.fixture
def dataset(api: Api) -> Iterator[str]:
    made = api.http.post("/datasets", json={"name": "digests"})
    assert made.status_code == 201, made.text
    yield made.json()["id"]
    api.http.delete(f"/datasets/{made.json()['id']}")


@pytest.mark.parametrize("header", ["Repr-Digest", "Content-Digest"])
@pytest.mark.parametrize(
    "stated",
    [
        "sha-256=:AAAA:",
        f"sha-256={sha256(b'x').hexdigest()}",
        f"sha-256=:{sha256(b'x').hexdigest()}:",
        digest_of(b"x").replace("-", ""),
        digest_of(b"x").replace(":", ""),
        f"sha-512=:{'A' * 86}==:, sha-256",
        f"{digest_of(b'x')}, sha-256=:x:",
        sha256(b"x").hexdigest(),
        sha256(b"a").hexdigest(),  # begins with a letter, as the name of an algorithm does
        digest_of(b"x").partition("=")[2],
        digest_of(b"x").partition("=")[2].strip(":"),
        f"{digest_of(b'x')}, {sha256(b'x').hexdigest()}",
        "sha-512",
    ],
)
def test_a_digest_without_its_form_is_refused_before_anything_is_stored(
    api: Api, dataset: str, header: str, stated: str
) -> None:
    answer = put(api, dataset, b"x", **{header.replace("-", "_"): stated})
    (error,) = problem_of(answer, 422, "invalid_request")["errors"]
    assert error["header"] == header
    assert "sha-256=:<base64 of the 32 bytes>:" in error["detail"]
    assert offset(api, dataset) == 0


@pytest.mark.parametrize(
    "stated",
    ["", "md5=x", "sha-512=:AAAA:, sha=1", "sha-256-tree=:AAAA:", f"{digest_of(b'x')};q=1, a=1"],
)
def test_other_digests_are_passed_over(api: Api, dataset: str, stated: str) -> None:
    answer = put(api, dataset, b"x", Repr_Digest=stated, Content_Digest=stated)
    assert answer.status_code == 202, answer.text
