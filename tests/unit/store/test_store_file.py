"""state.db is taken away, damaged, or of another time while it is open, or made by many at once."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from store_kit import python, said

from graced.store import file as store_file
from graced.store import opening
from graced.store.checkpoint import checkpoint
from graced.store.db import Store
from graced.store.errors import Contended
from graced.store.schema import VERSION
from graced.store.tables import bump, counters, open_incident, raise_to

OTHER = """
import sys
from graced.store.db import Store
from graced.store.errors import Contended
from graced.store.tables import raise_to
store = Store(sys.argv[1])
assert raise_to(store, "other-before", 1)
print("up", flush=True)
sys.stdin.readline()
assert raise_to(store, "other-after", 1), store.trouble
print(store.generation, store.findings, flush=True)
"""

RESCUED = "state.db lost its WAL or its content while graced ran: it was written anew"
LOST = "state.db was removed while graced ran: a new one was begun, what was in it is lost"


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm"), ("-shm",), ("-wal", "-shm"), ("", "-shm")])
def test_what_is_deleted_is_begun_anew_and_found_once(path: str, suffixes: tuple[str, ...]) -> None:
    store = Store(path)
    assert raise_to(store, "before", 1)
    with python(OTHER, path) as child:
        said(child, "up")
        for suffix in suffixes:
            os.unlink(path + suffix)
        assert raise_to(store, "after", 1)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        said(child, "2 []")
        assert child.wait(timeout=60) == 0
    assert {"after", "other-after"} <= counters(store).keys()
    assert store.generation == 2
    assert store.findings == ([LOST] if "" in suffixes else [RESCUED] if "-wal" in suffixes else [])
    assert ("before" in counters(store)) == ("" not in suffixes)
    assert Store(path).read("PRAGMA integrity_check") == [("ok",)]


OPEN = """
import sys
from graced.store.db import Store
from graced.store.errors import Contended
from graced.store.tables import counters
store = Store(sys.argv[1])
assert counters(store)
print("up", flush=True)
sys.stdin.readline()
store.look()
print(sorted(counters(store)), flush=True)
"""


@pytest.mark.parametrize("loss", ["wal removed", "emptied"])
def test_what_a_file_lost_under_open_connections_is_written_anew(path: str, loss: str) -> None:
    store = Store(path)
    assert raise_to(store, "before", 1)
    with python(OPEN, path) as child:
        said(child, "up")
        if loss == "emptied":
            os.truncate(path, 0)
        else:
            os.unlink(f"{path}-wal")
        store.look()
        assert raise_to(store, "after", 1), store.trouble
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        said(child, "['after', 'before']")
    assert store.findings == [RESCUED]
    assert counters(Store(path)).keys() == {"before", "after"}


def test_what_cannot_be_written_anew_yet_is_kept_open(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(path)
    assert raise_to(store, "before", 1)
    os.unlink(f"{path}-wal")

    def full(*_: object) -> bool:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store_file, "rescue", full)
        store.look()
        assert not raise_to(store, "meanwhile", 1)
    assert not os.path.exists(f"{path}.corrupt-1")
    assert store.flush()
    assert counters(Store(path)).keys() == {"before", "meanwhile"}
    assert not os.path.exists(f"{path}.rescued")


def test_a_lost_database_is_looked_for_again_when_another_process_is_making_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path)
    assert raise_to(store, "mine", 1)
    for suffix in ("", "-wal", "-shm"):
        os.unlink(path + suffix)

    def making(path: str) -> NoReturn:
        raise Contended("state.db is being made by another process")

    with monkeypatch.context() as patch:
        patch.setattr(store_file, "open_writer", making)
        store.look()
        assert store.generation == 1
    store.look()
    assert store.generation == 2, "whoever has rows of its own in memory writes them again"


def test_a_database_restored_from_a_copy_is_taken_up(path: str, tmp_path: Path) -> None:
    store = Store(path)
    assert raise_to(store, "old", 1)
    checkpoint(path)
    copy = (tmp_path / "state.db").read_bytes()
    assert raise_to(store, "new", 1)
    (tmp_path / "restored").write_bytes(copy)
    os.rename(tmp_path / "restored", path)
    assert raise_to(store, "newer", 1)
    assert counters(store).keys() >= {"old", "newer"}
    assert store.generation == 2


def damage_header(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def damage_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(data)


def damage_length(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [damage_header, damage_pages, damage_length])
@pytest.mark.parametrize("running", [True, False])
def test_a_damaged_database_is_set_aside_and_found_once(
    path: str, damage: Callable[[Path], None], running: bool
) -> None:
    stores = [Store(path), Store(path)]
    for n in range(200):
        assert open_incident(stores[0], f"i{n}", "t", "web", "kernel", "x" * 500)
    stores[1].read("SELECT count(*) FROM incidents")
    checkpoint(path)
    if not running:
        for store in stores:
            store.close()
        stores = [Store(path), Store(path)]
    damage(Path(path))
    for store in stores:
        store.read("SELECT * FROM incidents, steps")
        open_incident(store, "again", "t", "web", "kernel", "")
        assert store.flush()
        assert bump(store, "a")
    assert counters(stores[0]) == {"a": 2}
    findings = [finding for store in stores for finding in store.findings]
    assert len(findings) == 1 and f"set aside as {path}.corrupt-1" in findings[0]
    assert os.path.exists(f"{path}.corrupt-1")
    assert Store(path).read("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("running", [True, False])
def test_an_emptied_file_gets_its_tables_again(path: str, running: bool) -> None:
    store = Store(path)
    assert bump(store, "a")
    if not running:
        store.close()
    checkpoint(path)
    os.truncate(path, 0)
    bump(store, "b")
    assert store.flush()
    assert "b" in counters(store)


def test_a_reader_leaves_a_damaged_file_alone(path: str) -> None:
    Path(path).write_bytes(b"this is no database" * 1000)
    store = Store(path, readonly=True)
    assert counters(store) == {}
    assert store.degraded and "damaged" in store.trouble
    assert not os.path.exists(f"{path}.corrupt-1")


def test_few_damaged_files_are_kept(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(opening.CORRUPT_MAX + 3):
        Path(path).write_bytes(b"damage %d " % n * 1000)
        store = Store(path)
        assert bump(store, "a")
        store.close()
    kept = sorted(name for name in os.listdir(os.path.dirname(path)) if "corrupt" in name)
    assert kept == [f"state.db.corrupt-{n}" for n in range(1, opening.CORRUPT_MAX + 1)]


def test_a_database_of_a_later_graced_is_left_alone(path: str) -> None:
    store = Store(path)
    assert bump(store, "a")
    store.write(f"PRAGMA user_version = {VERSION + 1}")
    store.close()
    late = Store(path)
    assert not bump(late, "a")
    assert late.degraded and "install the newer one" in late.trouble
    assert counters(Store(path, readonly=True)) == {"a": 1}


def test_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    home = tmp_path / "a?mode=memory#b%20c"
    home.mkdir()
    store = Store(str(home / "state.db"))
    assert bump(store, "a")
    assert (home / "state.db").exists()


def test_many_newborns_make_one_database(path: str) -> None:
    code = """
import sys
from graced.store.db import Store
from graced.store.errors import Contended
from graced.store.tables import bump
store = Store(sys.argv[1])
print("up", flush=True)
sys.stdin.readline()
assert store.open(wait_s=20.0)
bump(store, "born")
while not store.flush():
    pass
assert store.generation == 1 and not store.findings, store.findings
"""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(python(code, path)) for _ in range(7)]
        for child in children:
            said(child, "up")
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        assert [child.wait(timeout=60) for child in children] == [0] * 7
    assert counters(Store(path, readonly=True)) == {"born": 7}
