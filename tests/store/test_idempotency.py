"""Idempotency keys: one thing for each key, whoever comes at the same time."""

import threading

import pytest
from sqlalchemy import update

from app.store import idempotency, jobs, retention
from app.store.database import Connection, Database
from app.store.errors import IdempotencyConflict
from app.store.idempotency import KeyedRequest
from app.store.retention import Policy
from app.store.tables import idempotency_keys
from tests.store.test_leases import SPEC

REQUEST = KeyedRequest("mine", None, "0" * 64)


def once(connection: Connection, request: KeyedRequest = REQUEST) -> tuple[str, bool]:
    return idempotency.once(connection, request, lambda: jobs.submit(connection, SPEC).id)


def test_a_key_makes_one_thing_and_its_conflict_names_it(store: Database) -> None:
    with store.write() as connection:
        made, is_new = once(connection)
        assert is_new
        assert once(connection) == (made, False)
        with pytest.raises(IdempotencyConflict, match="'mine'"):
            once(connection, KeyedRequest("mine", None, "1" * 64))
        with pytest.raises(IdempotencyConflict, match="'mine'"):  # not a hash, for API keys neither
            once(connection, KeyedRequest("mine", "key_0", "0" * 64))
            once(connection, KeyedRequest("mine", "key_0", "1" * 64))
        other, is_new = once(connection, KeyedRequest("mine", "key_1", "1" * 64))
        assert is_new
        assert other != made
        assert len(jobs.newest(connection, 10)) == 3


def test_a_key_whose_request_failed_may_come_again(store: Database) -> None:
    def refuse() -> str:
        raise RuntimeError

    with pytest.raises(RuntimeError), store.write() as connection:
        idempotency.once(connection, REQUEST, refuse)
    with store.write() as connection:
        assert once(connection)[1]


def test_equal_keys_at_once_make_one_thing(store: Database) -> None:
    found: list[tuple[str, bool]] = []
    together = threading.Barrier(6)

    def send() -> None:
        together.wait()
        with store.write() as connection:
            found.append(once(connection))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({made for made, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


@pytest.mark.parametrize("is_pruned", [True, False])
def test_a_key_counts_for_a_day(store: Database, is_pruned: bool) -> None:
    with store.write() as connection:
        made, _ = once(connection)
        past = idempotency_keys.c.created_at - idempotency.KEPT
        connection.execute(update(idempotency_keys).values(created_at=past))
        if is_pruned:
            retention.prune(connection, Policy(jobs=1, checkpoints=1))
        again, is_new = once(connection)
    assert is_new
    assert again != made
