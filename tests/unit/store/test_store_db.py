"""The file behind the tables: opened late, written without waiting, and none of its troubles stops anyone."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_kit import PUT, python, said, stopped, wait_for

from graced.store import file as store_file
from graced.store import queue
from graced.store.checkpoint import CHECKPOINT_BYTES, checkpoint, wanted
from graced.store.db import Store
from graced.store.tables import bump, counters, incidents, open_incident, raise_to

PAGE_BYTES = 4096


def test_nothing_is_made_before_the_first_use(path: str) -> None:
    store = Store(path)
    assert not os.path.exists(path)
    assert store.write(PUT, ("a", 1))
    assert (store.pending, store.degraded, store.generation) == (0, False, 1)
    for suffix in ("", "-wal", "-shm"):
        assert os.stat(path + suffix).st_mode & 0o777 == 0o600
    assert Store(path).read("SELECT * FROM counters") == [("a", 1)]


def test_no_sync_is_left_to_members_but_to_a_worker(path: str) -> None:
    store = Store(path)
    assert not store.dirty and store.sync_target() == []
    store.write(PUT, ("a", 1))
    assert store.read("PRAGMA wal_autocheckpoint") == [(0,)] and store.read("PRAGMA journal_mode") == [("wal",)]
    assert store.dirty and store.sync_target() == [path, f"{path}-wal", os.path.dirname(path)] and not store.dirty


def test_a_checkpoint_begins_the_wal_anew_while_others_have_it_open(path: str) -> None:
    store = Store(path)
    assert not checkpoint(path) and not wanted(path)
    n = 0
    while not wanted(path):
        store.write(PUT, (f"name-{n}" * 50, n))
        n += 1
    assert os.stat(f"{path}-wal").st_size >= CHECKPOINT_BYTES
    assert checkpoint(path)
    assert os.stat(f"{path}-wal").st_size < 2 * PAGE_BYTES
    assert store.write(PUT, ("after", 1))
    assert store.read("SELECT count(*) FROM counters") == [(n + 1,)]


# --- another process is writing

HOLDER = """
import os, signal, sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
conn.execute("INSERT INTO counters VALUES ('stolen', 1)")
print("begun", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_stopped_writer_blocks_nobody_and_is_named(path: str) -> None:
    store = Store(path)
    assert bump(store, "recoveries.mutual")
    assert store.holder() is None
    with python(HOLDER, path) as child:
        said(child, "begun")
        wait_for(lambda: stopped(child))
        start = time.perf_counter()
        for _ in range(store_file.BUSY_IS_TROUBLE + 5):
            assert not bump(store, "recoveries.mutual")
        assert not raise_to(store, "incarnation.trigger", 7)
        assert time.perf_counter() - start < 1.0
        assert store.pending == 2  # the bumps are one
        assert store.degraded and "another process is writing" in store.trouble
        assert store.holder() == child.pid
        mine = {"recoveries.mutual": 1 + store_file.BUSY_IS_TROUBLE + 5, "incarnation.trigger": 7}
        assert counters(store) == mine
        assert counters(Store(path, readonly=True)) == {"recoveries.mutual": 1}
        assert store.transact(lambda conn: True) is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert store.flush()
    assert not store.degraded and store.pending == 0
    assert counters(Store(path, readonly=True)) == mine


def test_a_command_may_be_patient(path: str) -> None:
    store = Store(path, patience_s=20.0)
    assert bump(store, "a")
    brief = "import sys,time,sqlite3\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\nc.execute('BEGIN IMMEDIATE')"
    with python(f"{brief}\nprint('begun', flush=True)\nsys.stdin.readline()\ntime.sleep(0.2)", path) as child:
        said(child, "begun")
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        assert bump(store, "a")
    assert counters(store) == {"a": 2}


def test_the_queue_is_bounded_and_drops_the_oldest(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUEUE_MAX", 10)
    store = Store(path + "/in/no/folder")
    for n in range(15):
        assert not store.write(PUT, (str(n), n))
    assert (store.pending, store.dropped, store.degraded) == (10, 5, True)


def test_a_later_write_of_one_key_keeps_its_place_in_line() -> None:
    line = queue.WriteQueue()
    for key, sql in (("a", "1"), ("b", "2"), ("a", "3")):
        line.put(queue.Entry(((sql, ()),)), key)
    assert [entry.statements[0][0] for _, entry in line.items()] == ["3", "2"]


def test_wrong_sql_raises_and_does_not_poison_the_queue(path: str) -> None:
    store = Store(path)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.write("INSERT INTO nowhere VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        store.read("SELECT absent FROM counters")
    with pytest.raises(sqlite3.IntegrityError):
        store.write("INSERT INTO counters VALUES (NULL, NULL)")
    assert store.pending == 0
    assert store.write(PUT, ("a", 1))


def test_statements_that_belong_together_are_written_together(path: str) -> None:
    store = Store(path)
    with pytest.raises(sqlite3.OperationalError):
        store.write_all(((PUT, ("a", 1)), ("INSERT INTO nowhere VALUES (1)", ())))
    assert store.read("SELECT * FROM counters") == []
    assert store.write(PUT, [("a", 1), ("b", 2)])
    assert store.read("SELECT * FROM counters") == [("a", 1), ("b", 2)]


def test_a_transaction_that_raises_leaves_nothing(path: str) -> None:
    store = Store(path)

    def work(conn: sqlite3.Connection) -> None:
        conn.execute(PUT, ("a", 1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(work)
    assert store.read("SELECT * FROM counters") == []
    assert store.write(PUT, ("b", 1))


# --- no database, or none that may be written


def test_reading_makes_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "state.db", tmp_path / "no" / "home" / "state.db"):
        store = Store(str(path), readonly=True)
        assert (counters(store), incidents(store), store.degraded) == ({}, [], False)
        assert not store.open()
    assert list(tmp_path.iterdir()) == []


def test_a_member_without_a_home_keeps_its_writes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(str(home / "state.db"))
    assert not bump(store, "a")
    assert store.degraded and "No such file" in store.trouble and not home.exists()
    assert counters(store) == {"a": 1}
    home.mkdir()
    assert store.flush() and not store.degraded


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts what a test asks for, where it may."""
    done: list[Path] = []

    def mount(name: str, *options: str) -> Path:
        point = tmp_path / name
        point.mkdir(exist_ok=True)
        if subprocess.run(["mount", *options, str(point)], capture_output=True, check=False).returncode:
            pytest.skip("may not mount")
        done.append(point)
        return point

    yield mount
    for point in reversed(done):
        subprocess.run(["umount", "-l", str(point)], check=True)


def test_a_read_only_home_can_be_read(mounted: Callable[..., Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    writer = Store(str(home / "state.db"))
    assert bump(writer, "a", 3)
    view = mounted("view", "--bind", str(home))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(view)], check=True)
    path = str(view / "state.db")
    for state in ("while a member has it open", "after kill -9 of all", "after a stop in good order"):
        if state == "after kill -9 of all":
            writer.forget()  # as if it had been killed: nothing is closed
        if state == "after a stop in good order":
            again = Store(str(home / "state.db"))
            assert again.open()
            again.close()
        reader = Store(path, readonly=True)
        assert counters(reader) == {"a": 3}, state
        assert not reader.degraded
        member = Store(path)
        assert counters(member) == {"a": 3}, state
        assert not bump(member, "a")
        assert member.degraded and member.pending == 1
        assert counters(member) == {"a": 4}
        reader.close()
        member.close()


def test_a_disk_that_is_full_for_real(mounted: Callable[..., Path]) -> None:
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=400k", "tmpfs")
    store = Store(str(disk / "state.db"))
    n = 0
    while open_incident(store, f"i{n}", "t", "web", "kernel", "x" * 2000):
        n += 1
    for extra in range(1, 50):
        assert not open_incident(store, f"i{n + extra}", "t", "web", "kernel", "x" * 2000)
    assert store.degraded and store.pending == 50
    assert len(incidents(store)) == n  # reading goes on
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    assert store.flush() and not store.degraded
    assert [i.id for i in incidents(store)] == [f"i{k}" for k in range(n + 50)]


LIMITED = """
import resource, sys
from graced.store.db import Store
from graced.store.tables import counters, raise_to
store = Store(sys.argv[1])
assert raise_to(store, "start", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
n = 0
while raise_to(store, f"name-{n}" * 20, n + 1):
    n += 1
assert store.degraded and store.pending == 1 and n > 5, (store.trouble, n)
assert len(counters(store)) == n + 2
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert store.flush() and not store.degraded
"""


def test_a_file_size_limit_is_as_a_full_disk(path: str) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, path], check=True, timeout=60)


# --- fork

FORK = """
import os, sys
from graced.store.db import Store
from graced.store.tables import bump, counters
path = sys.argv[1]
store = Store(path)
assert bump(store, "parent")
for turn in range(4):
    pid = os.fork()
    if pid == 0:
        if turn % 2:
            os.closerange(3, 256)  # as a fork server's child does
        store.forget()
        assert store.pending == 0 and store.generation == 0
        assert bump(store, "child"), store.trouble
        raise SystemExit(0)  # and not os._exit: the interpreter takes everything down
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert os.path.exists(path + "-wal")
    assert bump(store, "parent")
assert counters(store) == {"parent": 5, "child": 4}
assert store.read("PRAGMA integrity_check") == [("ok",)]
assert store.generation == 1 and not store.findings
print("done")
"""


def test_a_forked_child_forgets_and_harms_nobody(path: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


FORK_LOCKS = """
import os, sys
from graced.store.db import Store
from graced.store.tables import bump
store = Store(sys.argv[1])
assert bump(store, "a")
if os.fork() == 0:
    store.forget()
    assert bump(store, "a")
    print("up", flush=True)
    sys.stdin.readline()
    os._exit(0)
os.wait()
"""


def test_a_forked_child_has_locks_of_its_own(path: str) -> None:
    """Were they its parent's, the last to close beside it would take the WAL from under it."""
    with python(FORK_LOCKS, path) as parent:
        said(parent, "up")
        child = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
        inode = os.stat(path).st_ino
        held = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        holders = {int(field[4]) for field in held if field[1] == "POSIX" and field[5].endswith(f":{inode}")}
        assert holders == {parent.pid, child}
        assert parent.stdin is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.wait(timeout=20) == 0
