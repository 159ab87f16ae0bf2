"""JSON that is not UTF-8, as some Windows programs write it, is told by its encoding."""

import pytest

from tests.service.conftest import Api
from tests.service.pictures import JSON


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("path", ["/jobs", "/datasets", "/predict", "/v2/models/latest/infer"])
def test_json_in_another_encoding_is_told_by_its_name(api: Api, path: str, encoding: str) -> None:
    before = api.rows()
    for text in ("{}", '{"name": "a", "inputs": [[1, 2]]}'):
        answer = api.http.post(path, content=text.encode(encoding), headers=JSON)
        assert answer.status_code in (400, 422)
        name = encoding.upper()[:6]
        assert f"it is in {name}; JSON must be UTF-8." in answer.text
    assert api.rows() == before
