"""The rate of a key is what a bucket of tokens allows, whoever counts."""

import fcntl
import random
from pathlib import Path

import pytest

from app.api import rates
from app.api.rates import Rates, TooManyRequests
from tests.forking import forking


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    return clock


def is_taken(counted: Rates, rate: float, key: str = "key_1") -> bool:
    try:
        counted.take(key, rate)
    except TooManyRequests:
        return False
    return True


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 1.5, 7.0, 100.0])
def test_it_is_that_of_a_bucket_of_tokens(
    tmp_path: Path, clock: Clock, rate: float, seed: int
) -> None:
    """The bucket fills at the rate, up to a second's worth and at least one."""
    chance, tokens, at = random.Random(seed), max(1.0, rate), clock.now
    counted = Rates(tmp_path / "rates")
    answers = []
    for _ in range(500):
        clock.now += chance.expovariate(1.3 * rate)
        tokens = min(max(1.0, rate), tokens + (clock.now - at) * rate)
        at = clock.now
        taken = is_taken(counted, rate)
        if abs(tokens - 1) > 1e-6:  # else rounding decides
            assert taken == (tokens >= 1), (seed, tokens)
        tokens -= taken
        answers.append(taken)
    assert 100 < sum(answers) < 500


def test_it_says_when_the_next_request_may_come(tmp_path: Path, clock: Clock) -> None:
    counted = Rates(tmp_path)
    assert [is_taken(counted, 2.0) for _ in range(3)] == [True, True, False]
    clock.now += 0.1
    with pytest.raises(TooManyRequests, match=r"2 requests a second; wait 0\.40 s") as refused:
        counted.take("key_1", 2.0)
    clock.now += refused.value.seconds + 1e-6
    assert is_taken(counted, 2.0)
    assert is_taken(counted, 2.0, "key_2")


@pytest.mark.parametrize("left", [b"", b"\x00", b"\xff" * 8, b"\x00" * 7 + b"\x7f", b"12345678"])
def test_what_an_earlier_start_of_the_machine_has_left_blocks_nobody(
    tmp_path: Path, clock: Clock, left: bytes
) -> None:
    (tmp_path / "key_1").write_bytes(left)
    counted = Rates(tmp_path)
    assert [is_taken(counted, 1.0) for _ in range(2)] == [True, False]
    clock.now = 5.0  # the clock begins anew
    assert is_taken(counted, 1.0)


def test_a_process_that_was_stopped_with_the_lock_blocks_nobody(tmp_path: Path) -> None:
    with (tmp_path / "key_1").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        counted = Rates(tmp_path)
        assert all(is_taken(counted, 1.0) for _ in range(5))
    assert [is_taken(counted, 1.0) for _ in range(2)] == [True, False]


def test_a_home_that_cannot_be_written_to_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    counted = Rates(tmp_path / "file" / "rates")
    assert all(is_taken(counted, 1.0) for _ in range(5))
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "the rates of keys are not limited"
    ]


def asked(folder: Path, times: int) -> int:
    rates.TRIES = 10**9  # whoever holds the lock may have to wait for a processor
    counted = Rates(folder)
    return sum(is_taken(counted, 50.0) for _ in range(times))


def test_several_processes_count_together(tmp_path: Path) -> None:
    began = rates.time.monotonic()
    with forking().Pool(3) as pool:
        taken = sum(pool.starmap(asked, [(tmp_path, 3000)] * 6))
    assert 50 <= taken <= 51 + 50 * (rates.time.monotonic() - began)
