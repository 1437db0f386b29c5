"""The sync worker of a member: what it does beside fdatasync(2)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from graced.audit.log import AuditLog
from graced.members.linux.sync import CHECKPOINT_EVERY_S, QUIET_S, Syncer
from graced.store import checkpoint
from graced.store.db import Store

Member = tuple[Store, AuditLog, Syncer]


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    store = Store(str(tmp_path / "state.db"))
    audit = AuditLog(str(tmp_path), "watchdog", os.getpid(), 1)
    yield store, audit, Syncer("watchdog", audit, store)
    store.close()


def fill(store: Store) -> int:
    """Commits until the WAL is worth a checkpoint; how many."""
    n = 0
    while not checkpoint.wanted(store.path):
        n += 1
        assert store.write("INSERT OR REPLACE INTO counters VALUES (?, ?)", (f"name-{n % 99}" * 50, n))
    return n


def work(syncer: Syncer, audit: AuditLog, store: Store, now: float) -> None:
    """One worker, from its birth to its end."""
    syncer.wrote(now)
    syncer.tend(now + QUIET_S)
    assert syncer.worker
    pid, status = os.waitpid(syncer.worker, 0)
    assert status == 0
    syncer.reaped(pid)


def test_the_worker_writes_a_large_wal_back_and_the_member_goes_on(member: Member) -> None:
    store, audit, syncer = member
    last = fill(store)
    work(syncer, audit, store, 100.0)
    assert not checkpoint.wanted(store.path)
    assert store.read("SELECT max(value) FROM counters") == [(last,)]
    assert store.findings == []


def test_a_checkpoint_is_not_begun_again_at_once(member: Member) -> None:
    store, audit, syncer = member
    fill(store)
    work(syncer, audit, store, 100.0)
    fill(store)
    work(syncer, audit, store, 102.0)
    assert checkpoint.wanted(store.path)
    store.write("INSERT OR REPLACE INTO counters VALUES ('one', 1)")
    work(syncer, audit, store, 102.0 + CHECKPOINT_EVERY_S)
    assert not checkpoint.wanted(store.path)
