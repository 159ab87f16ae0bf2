"""A process that has no descriptor left says so."""

import os
import resource
from collections.abc import Iterator

import pytest

from app.descriptors import QUIET_SECONDS, Descriptors


@pytest.fixture
def no_descriptor_left() -> Iterator[int]:
    """Lowers the process's limit to what it has open; gives the limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)  # the lowest one: all below it are taken
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    yield free
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_lack_is_told_once_a_minute_with_its_limit(
    no_descriptor_left: int, caplog: pytest.LogCaptureFixture
) -> None:
    descriptors = Descriptors()
    for now in (0.0, QUIET_SECONDS - 1, QUIET_SECONDS, QUIET_SECONDS + 1):
        descriptors.look(now)
    first, second = caplog.messages
    assert first == second
    assert f"may have {no_descriptor_left};" in first
    assert "ulimit -n" in first
    assert "LimitNOFILE" in first


def test_nothing_is_said_while_one_is_left(caplog: pytest.LogCaptureFixture) -> None:
    Descriptors().look(0.0)
    assert caplog.messages == []
