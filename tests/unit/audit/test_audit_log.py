"""How members append: one chain by many, nothing lost when the disk says no, nobody ever blocked."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graced.audit import layout, log, read
from graced.audit.log import AuditLog
from graced.audit.record import GENESIS

DOWN = {"target": "trigger", "evidence": "exit"}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "audit")


def make_log(folder: str, member: str = "watchdog") -> AuditLog:
    return AuditLog(folder, member, os.getpid(), 1)


def kinds(folder: str) -> list[str]:
    return [record["kind"] for record in read.records(folder)]


def segment(folder: str, number: int = 1) -> Path:
    return Path(folder, layout.segment_name(number))


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def test_an_acknowledged_record_is_on_disk_private_and_chained(folder: str) -> None:
    log = make_log(folder)
    assert log.append("member.down", DOWN)
    assert log.append("vote.cast", {})
    first, second = read.tail(folder, 5)
    assert (first["seq"], first["prev"], first["kind"], first["member"]) == (1, GENESIS, "member.down", "watchdog")
    assert (second["seq"], second["prev"]) == (2, first["hash"])
    assert (log.records, log.head, log.pending, log.degraded) == (2, second["hash"], 0, False)
    assert os.stat(segment(folder)).st_mode & 0o777 == 0o600
    assert os.stat(folder).st_mode & 0o777 == 0o700


def test_members_take_turns_in_one_chain(folder: str) -> None:
    logs = [make_log(folder, member) for member in ("watchdog", "trigger", "architect")]
    for turn in range(30):
        assert logs[turn % 3].append("vote.cast", {"turn": turn})
    assert [record["data"]["turn"] for record in read.records(folder)] == list(range(30))
    assert read.verify(folder).ok


def test_no_descriptor_is_kept(folder: str) -> None:
    audit = make_log(folder)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        audit.append("vote.cast", {})
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_data_is_taken_as_it_was_when_appended(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = make_log(folder)
    data = {"list": [1]}
    monkeypatch.setattr(log, "take_now", lambda *_: None)
    assert not audit.append("vote.cast", data)
    monkeypatch.undo()
    data["list"].append(2)
    assert audit.flush()
    assert read.tail(folder, 1)[0]["data"] == {"list": [1]}


def test_a_typo_raises_and_queues_nothing(folder: str) -> None:
    audit = make_log(folder)
    with pytest.raises(ValueError, match=r"member\.dwon"):
        audit.append("member.dwon", DOWN)
    assert audit.pending == 0


# --- another holds the lock

HOLDER = """
import os, signal, sys
from graced.home.locks import LockRecord, take_now
from graced.posix.proc import me
lock = take_now(sys.argv[1], LockRecord.of(me()))
print("held" if lock else "not held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_stopped_holder_blocks_nobody_and_is_named(folder: str) -> None:
    audit = make_log(folder)
    assert audit.append("vote.cast", {"n": 0})
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, os.path.join(folder, layout.LOCK_NAME)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        wait_for(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        start = time.perf_counter()
        for n in range(1, 50):
            assert not audit.append("vote.cast", {"n": n})
        assert time.perf_counter() - start < 1.0
        assert (audit.pending, audit.degraded) == (49, False)
        held_by = audit.holder()
        assert held_by is not None and held_by.pid == child.pid
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert audit.flush()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]
    assert audit.holder() is None
    assert [record["data"]["n"] for record in read.records(folder)] == list(range(50))


def test_what_overflows_is_counted_in_a_summary(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "take_now", lambda *_: None)
    audit = make_log(folder)
    for n in range(log.QUEUE_MAX + 10):
        assert not audit.append("vote.cast" if n % 2 else "vote.decided", {"n": n})
    assert (audit.pending, audit.degraded) == (log.QUEUE_MAX, True)
    monkeypatch.undo()
    assert audit.flush()
    assert not audit.degraded
    first, *rest = read.records(folder)
    assert first["kind"] == "audit.summary"
    assert first["data"]["dropped"] == 10
    assert first["data"]["kinds"] == {"vote.cast": 5, "vote.decided": 5}
    assert [record["data"]["n"] for record in rest] == list(range(10, log.QUEUE_MAX + 10))


def test_the_queue_is_bounded_in_bytes_too(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "take_now", lambda *_: None)
    audit = make_log(folder)
    for _ in range(300):
        audit.append("vote.cast", {"text": "x" * 15_000})
    assert audit.pending <= log.QUEUE_MAX_BYTES // 15_000
    monkeypatch.undo()
    assert audit.flush()
    assert read.verify(folder).ok


# --- the disk says no


def refuse_after(monkeypatch: pytest.MonkeyPatch, budget: int, code: int = errno.ENOSPC) -> None:
    """os.write of the log takes `budget` bytes in all, then fails."""
    left = budget
    real = os.write

    def write(fd: int, data: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(code, os.strerror(code))
        taken = real(fd, bytes(data)[:left])
        left -= taken
        return taken

    monkeypatch.setattr("graced.audit.log.os.write", write)


@pytest.mark.parametrize("budget", [0, 1, 200, 299, 400, 700, 1000, 2000])
def test_a_full_disk_keeps_the_rest_waiting_and_the_chain_whole(
    folder: str, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    audit = make_log(folder)
    monkeypatch.setattr(log, "take_now", lambda *_: None)
    for n in range(5):
        audit.append("vote.cast", {"n": n})
    monkeypatch.undo()
    refuse_after(monkeypatch, budget)
    assert audit.flush() is (budget == 2000)
    assert audit.degraded is (budget != 2000)
    verdict = read.verify(folder)
    assert (verdict.ok, verdict.notes) == (True, [])  # not even half a line
    assert verdict.records + audit.pending == 5
    monkeypatch.undo()
    assert audit.append("vote.cast", {"n": 5})
    assert not audit.degraded
    found = list(read.records(folder))
    assert [r["data"]["n"] for r in found if r["kind"] == "vote.cast"] == list(range(6))
    summaries = [r["data"] for r in found if r["kind"] == "audit.summary"]
    assert [s["reason"] for s in summaries] == ([] if budget == 2000 else ["ENOSPC: No space left on device"])
    assert read.verify(folder).ok


LIMITED = """
import os, resource, sys
from graced.audit.log import AuditLog
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))  # Python ignores SIGXFSZ: EFBIG
log = AuditLog(sys.argv[1], "watchdog", os.getpid(), 1)
written = sum(log.append("vote.cast", {"n": n}) for n in range(20))
assert log.degraded and log.reason.startswith("EFBIG"), log.reason
assert 0 < written < 20 and log.pending == 20 - written
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert log.flush() and not log.degraded
"""


def test_a_file_size_limit_is_as_a_full_disk(folder: str) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, folder], check=True, timeout=60)
    found = list(read.records(folder))
    assert [r["data"]["n"] for r in found if r["kind"] == "vote.cast"] == list(range(20))
    assert read.verify(folder).ok and read.verify(folder).notes == []


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 64 KiB, where the tests may mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("may not mount a tmpfs")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_on_a_disk_that_is_full_for_real(small_disk: Path) -> None:
    folder = str(small_disk / "audit")
    audit = make_log(folder)
    n = 0
    while audit.append("vote.cast", {"n": n, "text": "x" * 500}):
        n += 1
    for extra in range(1, 20):
        assert not audit.append("vote.cast", {"n": n + extra, "text": "x" * 500})
    assert audit.degraded and "ENOSPC" in audit.reason
    assert read.verify(folder).ok
    # A torn tail that cannot be copied for want of space waits as well.
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    assert audit.flush()
    found = [r["data"]["n"] for r in read.records(folder) if r["kind"] == "vote.cast"]
    assert found == list(range(n + 20))
    assert read.verify(folder).ok


def test_a_folder_that_may_not_be_written_is_trouble_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    audit = make_log(str(tmp_path / "audit"))
    assert not audit.append("vote.cast", {})
    assert audit.degraded and audit.pending == 1
    (tmp_path / "audit").unlink()
    assert audit.flush()
    assert kinds(audit.folder) == ["audit.summary", "vote.cast"]


# --- what crashes and people leave behind


def test_a_torn_tail_is_set_aside_and_recorded(folder: str) -> None:
    make_log(folder).append("vote.cast", {"n": 0})
    offset = segment(folder).stat().st_size
    with segment(folder).open("ab") as file:
        file.write(b'{"at":"2026')
    audit = make_log(folder, "trigger")
    assert audit.append("vote.cast", {"n": 1})
    assert Path(folder, f"torn-000001-{offset}").read_bytes() == b'{"at":"2026'
    assert kinds(folder) == ["vote.cast", "audit.torn", "vote.cast"]
    assert audit.findings == []  # a crash is no breach
    verdict = read.verify(folder)
    assert verdict.ok and f"torn-000001-{offset}" in verdict.notes[0]


def test_a_tail_torn_twice_at_one_place_is_kept_twice(folder: str) -> None:
    make_log(folder).append("vote.cast", {})
    whole = segment(folder).read_bytes()
    for tail in (b"first tear", b"second", b"second tear, of which a killed copier kept a part"):
        segment(folder).write_bytes(whole + tail)
        assert make_log(folder).append("vote.cast", {})
    assert Path(folder, f"torn-000001-{len(whole)}").read_bytes() == b"first tear"
    assert Path(folder, f"torn-000001-{len(whole)}.1").read_bytes().startswith(b"second tear, of")
    assert read.verify(folder).ok


def test_what_is_longer_than_a_record_is_damage_and_stays(folder: str) -> None:
    make_log(folder).append("vote.cast", {})
    offset = segment(folder).stat().st_size
    with segment(folder).open("ab") as file:
        file.write(b"\0" * 5_000_000)
    audit = make_log(folder)
    assert audit.append("vote.cast", {})
    assert not Path(folder, f"torn-000001-{offset}").exists()
    assert segment(folder).read_bytes()[offset : offset + 5_000_001] == b"\0" * 5_000_000 + b"\n"
    assert len(audit.findings) == 1 and "more than one torn record" in audit.findings[0]
    verdict = read.verify(folder)
    assert verdict.broken is not None and verdict.broken[:3] == ("000001.jsonl", 2, 2)


def test_a_broken_chain_goes_on_after_the_last_whole_record_and_is_told_once(folder: str) -> None:
    first = make_log(folder)
    for n in range(3):
        first.append("vote.cast", {"n": n})
    lines = segment(folder).read_bytes().splitlines(keepends=True)
    segment(folder).write_bytes(lines[0] + lines[1] + lines[2].replace(b'"n":2', b'"n":7') + b"garbage\n")
    audits = [make_log(folder, member) for member in ("trigger", "architect")]
    assert all(audit.append("vote.cast", {"n": n}) for n, audit in enumerate(audits, 10))
    assert [len(audit.findings) for audit in audits] == [1, 0]
    assert "goes on after record 2" in audits[0].findings[0]
    found = list(read.records(folder))
    assert [(r["seq"], r["kind"]) for r in found[3:]] == [
        (3, "audit.broken"), (4, "vote.cast"), (5, "vote.cast"),
    ]  # fmt: skip
    verdict = read.verify(folder)
    assert not verdict.ok and verdict.broken is not None
    assert verdict.broken[:3] == ("000001.jsonl", 3, 3)


def test_a_log_of_nothing_but_garbage_begins_anew(folder: str) -> None:
    os.mkdir(folder)
    segment(folder).write_bytes(b"x\n" * 2000 + b"y" * 100_000 + b"\n")
    audit = make_log(folder)
    assert audit.append("vote.cast", {})
    assert audit.findings and audit.records >= 2


def test_a_new_segment_begins_past_the_limit_and_the_chain_goes_on(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "SEGMENT_MAX_BYTES", 2000)
    audits = [make_log(folder, "watchdog"), make_log(folder, "trigger")]
    for n in range(40):
        assert audits[n % 2].append("vote.cast", {"n": n})
    numbers = layout.segments(folder)
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 3
    assert all(2000 <= segment(folder, n).stat().st_size < 2400 for n in numbers[:-1])
    assert [r["data"]["n"] for r in read.records(folder)] == list(range(40))
    assert read.verify(folder).ok


def test_an_empty_segment_of_a_killed_writer_is_used(folder: str) -> None:
    make_log(folder).append("vote.cast", {})
    segment(folder, 2).touch(mode=0o600)
    assert make_log(folder).append("vote.cast", {})
    assert segment(folder, 2).stat().st_size > 0
    assert read.verify(folder).records == 2


def test_a_deleted_folder_begins_a_new_log_and_is_found_once(folder: str) -> None:
    audits = [make_log(folder, "watchdog"), make_log(folder, "trigger")]
    for n in range(6):
        audits[n % 2].append("vote.cast", {})
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
    for audit in audits:
        assert audit.append("vote.cast", {})
    assert audits[0].findings == ["records 1 to 5 were taken out of the audit log while graced ran"]
    assert kinds(folder) == ["audit.broken", "vote.cast", "vote.cast"]
    verdict = read.verify(folder)
    assert verdict.broken is not None and "records 1 to 5 were taken out" in verdict.broken.why
    assert verdict.records == 3


def test_a_tail_cut_off_while_running_is_found(folder: str) -> None:
    audit = make_log(folder)
    for _ in range(5):
        audit.append("vote.cast", {})
    lines = segment(folder).read_bytes().splitlines(keepends=True)
    segment(folder).write_bytes(b"".join(lines[:2]))
    assert audit.append("vote.cast", {})
    assert audit.findings == ["records 3 to 5 were taken out of the audit log while graced ran"]


def test_a_deleted_lock_file_still_excludes(folder: str) -> None:
    audits = [make_log(folder, "watchdog"), make_log(folder, "trigger")]
    for n in range(10):
        if n % 3 == 0 and os.path.exists(os.path.join(folder, layout.LOCK_NAME)):
            os.unlink(os.path.join(folder, layout.LOCK_NAME))
        assert audits[n % 2].append("vote.cast", {})
    assert read.verify(folder).records == 10


def test_what_a_worker_is_to_sync(folder: str) -> None:
    audit = make_log(folder)
    assert not audit.dirty and audit.sync_target() == []
    audit.append("vote.cast", {})
    assert audit.dirty
    assert audit.sync_target() == [folder, str(segment(folder))]
    assert not audit.dirty
    audit.append("vote.cast", {})
    assert audit.sync_target() == [str(segment(folder))]


def test_an_append_takes_well_under_a_millisecond(folder: str) -> None:
    audit = make_log(folder)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        assert audit.append("member.down", DOWN)
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 0.0005  # 25 us where it was measured
