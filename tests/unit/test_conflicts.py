"""Writes that a database server undoes are done again, a few times."""

import pytest

from app.store.conflicts import ATTEMPTS, WriteConflict, retried
from app.store.errors import DatabaseBusy


def test_a_write_is_given_up_after_some_conflicts() -> None:
    tries: list[int] = []

    @retried
    def write() -> None:
        tries.append(1)
        raise WriteConflict

    with pytest.raises(DatabaseBusy):
        write()
    assert len(tries) == ATTEMPTS
