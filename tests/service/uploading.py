"""A file sent to a dataset, whole or in parts."""

import base64
from hashlib import sha256

import httpx

from tests.service.conftest import Api


def put(api: Api, dataset: str, content: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.http.put(f"/datasets/{dataset}/content", content=content, headers=named)


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(sha256(content).digest()).decode()}:"


def offset(api: Api, dataset: str) -> int:
    answer = api.http.head(f"/datasets/{dataset}/content")
    assert answer.status_code == 204
    return int(answer.headers["upload-offset"])
