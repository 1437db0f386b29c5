"""A power loss at any moment: state.db opens whole, with every commit that a worker had synced, and no gap."""

import contextlib
import random
from pathlib import Path

import pytest

from graced.store import checkpoint
from graced.store.db import Store
from graced.store.opening import connect
from tests.support.power import Disk, Recorder

COMMITS = 260
SYNC_EACH = 13
"""Commits between two workers."""

CRASHES = 250


def commit(store: Store, n: int) -> None:
    """One row that names the commit, and some that are overwritten again and again."""
    fillers = [(f"filler-{(n * 7 + i) % 400}", f"{n}", "y" * 900) for i in range(12)]
    store.write(
        "INSERT OR REPLACE INTO scanned (path, key, sha256, ok) VALUES (?, ?, ?, 1)", [(f"{n}", "k", "x"), *fillers]
    )
    assert store.flush()


def killed_half_way(path: str) -> None:
    """A checkpoint whose worker is killed once everything is written back, before it has begun the WAL anew."""
    with contextlib.closing(connect(path, "mode=rw")) as copier:
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)")


def work(stores: list[Store]) -> None:
    """What the sync workers of the members do (`members/sync.py`), in this process."""
    first, last = stores
    checkpoint.make_durable(first.sync_target())
    checkpoint.make_durable(last.sync_target(), last.path)


@pytest.fixture(params=["whole", "killed"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Two members commit in turn, their workers at work now and then; one is slow, and the other begins the WAL."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 64 * 1024)
    if request.param == "killed":
        monkeypatch.setattr(checkpoint, "checkpoint", killed_half_way)
    folder = tmp_path / "home"
    folder.mkdir()
    path = str(folder / "state.db")
    with Recorder(folder, monkeypatch) as recorder:
        stores = [Store(path), Store(path)]
        for n in range(1, COMMITS + 1):
            began = len(recorder.ops)
            commit(stores[n % 2], n)
            if request.param == "whole" and n > 1:
                assert "sync" not in {op[0] for op in recorder.ops[began:]}, "a member waited for the disk"
            if n % SYNC_EACH == 0:
                work(stores)
                recorder.told(n)
        for store in stores:
            store.close()
    begun = [op for op in recorder.ops if op[0] == "write" and op[1].endswith("-wal") and op[2] == 0]
    assert len(begun) >= COMMITS / SYNC_EACH - 5, "the WAL was not begun anew"
    return recorder


def test_a_power_loss_leaves_a_whole_database_with_all_that_was_synced(recorded: Recorder, tmp_path: Path) -> None:
    dice = random.Random(8)
    moments = sorted(dice.choices(range(len(recorded.ops)), k=CRASHES))
    disk, played = Disk(), 0
    for n, moment in enumerate(moments):
        for op in recorded.ops[played:moment]:
            disk.play(op)
        played = moment
        folder = tmp_path / f"crash-{n}"
        folder.mkdir()
        disk.crash(folder, dice)
        store = Store(str(folder / "state.db"))
        found = sorted(int(row[0]) for row in store.read("SELECT path FROM scanned WHERE key = 'k'"))
        assert not store.findings, (moment, store.findings)
        assert store.read("PRAGMA integrity_check") == [("ok",)], moment
        assert found == list(range(1, len(found) + 1)), f"moment {moment}: a gap in {found}"
        assert len(found) >= disk.told, f"moment {moment}: {len(found)} of {disk.told} that were synced"
        newest = store.read("SELECT max(CAST(key AS INTEGER)) FROM scanned WHERE key <> 'k'")[0][0]
        assert (newest or 0) == len(found), f"moment {moment}: pages of different commits"
        store.close()
