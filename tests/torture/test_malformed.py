"""Random and malformed requests at the routes that predict: never a 5xx, and memory stays flat."""

from collections import Counter
from collections.abc import Callable

import psutil
import pytest

from tests.service import rows
from tests.service.conftest import Api, serving
from tests.torture.malformed_requests import Requests, RowRequests

MEMORY = 30 * 2**20
"""Most growth of the process, in bytes."""


def test_no_request_is_a_server_error_and_memory_stays_flat(
    seed: int,
    repeated: Callable[[int], int],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path_factory.mktemp("malformed")) as api:
        requests = Requests(seed, api.publish())
        statuses, grown = bombarded(api, requests, seed, repeated(10_000))
    with capsys.disabled():
        print(f"\n{sum(statuses.values())} requests, seed {seed}: {dict(sorted(statuses.items()))}")
        print(f"  memory grew by {grown / 2**20:.1f} MiB")
    assert statuses[200] > 0
    assert grown < MEMORY


def test_no_row_is_a_server_error_and_memory_stays_flat(
    seed: int,
    repeated: Callable[[int], int],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path_factory.mktemp("malformed-rows")) as api:
        requests = RowRequests(seed, rows.publish(api))
        statuses, grown = bombarded(api, requests, seed, repeated(10_000))
    with capsys.disabled():
        print(f"\n{sum(statuses.values())} rows, seed {seed}: {dict(sorted(statuses.items()))}")
        print(f"  memory grew by {grown / 2**20:.1f} MiB")
    assert statuses[200] > 0
    assert grown < MEMORY


def bombarded(api: Api, requests: Requests, seed: int, times: int) -> tuple[Counter[int], int]:
    """The answers' statuses, and by how many bytes the API's memory grew."""
    process = psutil.Process(api.service.processes["app"].pid)
    statuses: Counter[int] = Counter()
    settled = 0
    for number in range(times):
        request = requests.build(api.http)
        answer = api.http.send(request)
        told = f"seed {seed}, request {number}: {request.url} {request.headers} {answer.text[:500]}"
        assert answer.status_code < 500, told
        kind = answer.headers["content-type"]
        if answer.status_code != 200:
            protocol = "/v2" in str(request.url)
            assert kind == ("application/json" if protocol else "application/problem+json"), told
            assert answer.json().get("error" if protocol else "detail"), told
        statuses[answer.status_code] += 1
        if number == times // 5:  # by then every path has been taken
            settled = process.memory_info().rss
    return statuses, process.memory_info().rss - settled
