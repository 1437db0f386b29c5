import os
import signal
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.home import locks
from graced.home.locks import LockRecord, RoleLock, holder, read_record, take_now
from graced.posix import flock, proc
from graced.posix import padded_record as slots

HOLDER = """
import sys, time
from graced.posix import proc
from graced.home import locks
lock = locks.RoleLock.take(sys.argv[1])
lock.write(locks.LockRecord.of(proc.me(), 1))
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "watchdog.lock")


@pytest.fixture
def mine() -> LockRecord:
    return LockRecord.of(proc.me())


def test_one_holder_at_a_time(path) -> None:
    first = RoleLock.take(path)
    assert first is not None
    assert first.still_mine()
    assert not os.get_inheritable(first.fileno())
    began = time.monotonic()
    assert RoleLock.take(path) is None
    assert time.monotonic() - began >= 0.2, "a newborn is patient"
    first.close()
    first.close()
    with RoleLock.take(path, patience_s=0) as second:
        assert second.still_mine()


def test_a_newborn_gets_the_lock_of_one_that_is_dying(path, nursery, until) -> None:
    nursery.python(HOLDER, path, "0.1")
    until(lambda: read_record(path))
    lock = RoleLock.take(path, patience_s=15)
    assert lock is not None
    lock.close()


def test_a_missing_folder_is_an_error_and_not_a_held_lock(tmp_path, mine) -> None:
    nowhere = str(tmp_path / "run" / "x.lock")
    with pytest.raises(FileNotFoundError):
        RoleLock.take(nowhere)
    with pytest.raises(FileNotFoundError):
        take_now(nowhere, mine)
    assert holder(nowhere) is None


def test_the_record_is_one_padded_line_with_exactly_the_agreed_keys(path) -> None:
    record = LockRecord(2**22, 2**31, 2**40, proc.boot_id())
    with RoleLock.take(path) as lock:
        lock.write(record)
        lock.write(LockRecord(1, 1, 1, proc.boot_id()))
        lock.write(record)
    with open(path, "rb") as file:
        data = file.read()
    assert len(data) == slots.SLOT_BYTES == 128
    assert data.rstrip(b" ").endswith(b"}"), "padded with spaces, nothing else"
    assert list(msgspec.json.decode(data)) == ["pid", "incarnation", "start_ticks", "boot_id"]
    assert read_record(path) == record, "it outlives its holder: the next incarnation is counted from it"


@given(st.integers(0, 2**22), st.integers(0, 2**31), st.integers(0, 2**40))
def test_every_record_that_can_be_fits(pid: int, incarnation: int, ticks: int) -> None:
    assert len(msgspec.json.encode(LockRecord(pid, incarnation, ticks, proc.boot_id()))) < slots.SLOT_BYTES


@pytest.mark.parametrize(
    "garbage", [b"", b" " * 127 + b"\n", b"\0" * 128, b"{", b"[1]\n", b'{"pid": "x"}', b"\xff" * 9000]
)
def test_garbage_is_no_record(path, garbage) -> None:
    with open(path, "wb") as file:
        file.write(garbage)
    assert read_record(path) is None


def test_a_forked_child_keeps_the_lock_held_until_it_closes(path) -> None:
    lock = RoleLock.take(path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    lock.close()
    assert RoleLock.take(path, patience_s=0) is None
    os.close(writer)
    os.waitpid(child, 0)
    again = RoleLock.take(path, patience_s=0)
    assert again is not None
    again.close()


def test_a_forked_child_that_closes_does_not_drop_the_parents_lock(path) -> None:
    with RoleLock.take(path) as lock:
        child = os.fork()
        if child == 0:
            lock.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert RoleLock.take(path, patience_s=0) is None


def test_a_deleted_file_is_noticed_by_its_holder(path) -> None:
    first = RoleLock.take(path)
    os.unlink(path)
    assert not first.still_mine()
    second = RoleLock.take(path, patience_s=0)
    assert second is not None, "the deleted file excludes nobody"
    assert second.still_mine()
    assert not first.still_mine(), "another file of the same name"
    first.close()
    second.close()


def test_a_file_replaced_between_open_and_lock_is_not_taken_for_the_lock(path, monkeypatch) -> None:
    real = flock.lock_now
    replaced: list[int] = []

    def replace_first(fd: int) -> bool:
        if not replaced:
            os.unlink(path)
            replaced.append(os.open(path, os.O_RDWR | os.O_CREAT))
        return real(fd)

    monkeypatch.setattr(flock, "lock_now", replace_first)
    with RoleLock.take(path, patience_s=0) as lock:
        assert lock.still_mine()
        assert flock.same_file(replaced[0], path)
    os.close(replaced[0])


def test_a_stopped_holder_keeps_the_lock_and_is_named_by_it(path, mine, nursery, until) -> None:
    nursery.python(HOLDER, path, "60")
    until(lambda: read_record(path))
    record = holder(path)
    assert record is not None
    proc.signal_identity(record.identity, signal.SIGSTOP)
    until(lambda: proc.status(record.identity) == "stopped")
    began = time.monotonic()
    assert take_now(path, mine) is None
    assert time.monotonic() - began < 1, "nobody waits on a lock"
    pidfd = proc.open_pidfd(record.identity)
    assert pidfd is not None
    assert proc.send(pidfd, signal.SIGKILL)
    until(lambda: proc.pidfd_dead(pidfd))
    os.close(pidfd)
    lock = take_now(path, mine)
    assert lock is not None, "a readable pidfd means that the flock is free"
    lock.close()


def test_a_restart_lock_names_its_holder_only_while_it_is_held(path, mine) -> None:
    with take_now(path, mine) as lock:
        assert holder(path) == mine
        assert take_now(path, mine) is None
        assert holder(path) == mine
        assert lock.still_mine()
    assert holder(path) is None
    assert os.path.getsize(path) == slots.SLOT_BYTES


def test_a_restart_lock_holds_on_a_full_disk(path, mine, monkeypatch) -> None:
    def full(fd: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(locks, "write_slot", full)
    with take_now(path, mine) as lock:
        assert lock.still_mine()
        assert holder(path) is None
        assert take_now(path, mine) is None


# --- slots


@given(
    st.lists(st.binary(max_size=63).filter(lambda b: b"\n" not in b and b == b.strip(b" \0")), min_size=1, max_size=5)
)
def test_a_slot_holds_the_last_record_written(tmp_path_factory, records: list[bytes]) -> None:
    path = str(tmp_path_factory.mktemp("slot") / "x")
    fd = slots.open_slot(path)
    for record in records:
        slots.write_slot(fd, record, 64)
        assert slots.read_slot(path) == (record or None)
        assert os.fstat(fd).st_size == 64
    os.close(fd)


def test_a_record_that_does_not_fit_is_refused(path) -> None:
    fd = slots.open_slot(path)
    for data, size in ((b"x" * 129, 128), (b"a\nb", 128), (b"x", 8192)):
        with pytest.raises(ValueError, match="slot"):
            slots.write_slot(fd, data, size)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_readers_never_see_half_a_record(path, run_script) -> None:
    run_script(
        "import os, sys, time, msgspec\n"
        "from graced.home import locks\n"
        "from graced.posix import padded_record as slots, proc\n"
        "path, me = sys.argv[1], proc.me()\n"
        "writer = os.fork()\n"
        "fd = slots.open_slot(path)\n"
        "records = [locks.LockRecord(1, 1, 1, me.boot_id), locks.LockRecord(2**22, 2**31, 2**40, me.boot_id)]\n"
        "if writer == 0:\n"
        "    for n in range(5000):\n"
        "        slots.write_slot(fd, msgspec.json.encode(records[n % 2]))\n"
        "        time.sleep(0.0001)\n"  # a reader that never sees the same twice can tell nothing
        "    os._exit(0)\n"
        "seen = set()\n"
        "while os.waitpid(writer, os.WNOHANG)[0] == 0:\n"
        "    record = locks.read_record(path)\n"
        "    assert record in records or (record is None and not seen), record\n"
        "    if record: seen.add(record.pid)\n",
        path,
    )
