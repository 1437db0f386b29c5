"""Reading the log: each way to break it is found and named, and nothing of it needs the writers to stop."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graced.audit import layout, log, read
from graced.audit.log import AuditLog
from graced.audit.record import GENESIS, RECORD_MAX_BYTES, make

AT = "2026-01-01T00:00:00.000Z"


def chain(count: int, start: int = 1, prev: str = GENESIS) -> list[bytes]:
    lines = []
    for seq in range(start, start + count):
        line, prev = make(seq, AT, "watchdog", 1, 1, "vote.cast", {"n": seq, "é": 0.5}, prev)
        lines.append(line)
    return lines


def put(folder: Path, *segments: list[bytes]) -> str:
    for number, lines in enumerate(segments, 1):
        (folder / layout.segment_name(number)).write_bytes(b"".join(lines))
    return str(folder)


def test_no_log_is_a_whole_log(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        verdict = read.verify(str(folder))
        assert (verdict.ok, verdict.records, verdict.head, verdict.notes) == (True, 0, GENESIS, ["no audit log yet"])
        assert read.tail(str(folder), 5) == [] and list(read.records(str(folder))) == []
        assert read.head(str(folder)) == (0, GENESIS)
    assert not (tmp_path / "none").exists()


def test_a_whole_log_of_several_segments(tmp_path: Path) -> None:
    lines = chain(30)
    folder = put(tmp_path, lines[:10], lines[10:20], lines[20:])
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "torn-000001-99").write_bytes(b"{")
    verdict = read.verify(folder)
    assert (verdict.ok, verdict.records, verdict.broken) == (True, 30, None)
    assert verdict.notes == ["torn-000001-99: a line torn by a crash was set aside (1 bytes)"]
    assert read.head(folder) == (30, verdict.head)
    assert [r["seq"] for r in read.tail(folder, 15)] == list(range(16, 31))
    assert [r["seq"] for r in read.tail(folder, 99)] == list(range(1, 31))
    assert read.tail(folder, 0) == []
    for start in (1, 10, 11, 20, 21, 30, 31):
        assert [r["seq"] for r in read.records(folder, start)] == list(range(start, 31))


@pytest.mark.parametrize(
    ("change", "file", "line", "seq", "why"),
    [
        (lambda s: s[0].pop(4), "000001.jsonl", 5, 5, "seq is 6: 1 records before it are missing"),
        (lambda s: s[0].insert(4, s[0][4]), "000001.jsonl", 6, 6, "seq is 5 where 6 belongs"),
        (lambda s: s[0].insert(4, b"\n"), "000001.jsonl", 5, 5, "blank"),
        (lambda s: s[0].__setitem__(4, s[0][4][:-1] + b"\r\n"), "000001.jsonl", 5, 5, "CR LF"),
        (lambda s: s[0].__setitem__(4, s[0][4].replace(b'"n":5', b'"n":6')), "000001.jsonl", 5, 5, "hash does not"),
        (lambda s: s[0].__setitem__(4, chain(1, 5, "f" * 64)[0]), "000001.jsonl", 5, 5, "prev is not"),
        (lambda s: s[0].__setitem__(4, b"x" * 100_000 + b"\n"), "000001.jsonl", 5, 5, "longer than"),
        (lambda s: s[0].__setitem__(4, b"what\n"), "000001.jsonl", 5, 5, "not JSON"),
        (lambda s: s[0].pop(), "000002.jsonl", 1, 10, "seq is 11"),
        (lambda s: s[1].pop(0), "000002.jsonl", 1, 11, "seq is 12"),
        (lambda s: s[0].__setitem__(9, s[0][9][:-1]), "000001.jsonl", 10, 10, "unfinished, and a later segment"),
        (lambda s: s[2].__setitem__(9, s[2][9][:-1] + b"x"), "000003.jsonl", 10, 30, "newlines were changed"),
        (lambda s: s[0].__setitem__(0, s[0][0][1:]), "000001.jsonl", 1, 1, "not JSON"),
    ],
)
def test_each_breach_is_named(tmp_path: Path, change, file: str, line: int, seq: int, why: str) -> None:
    lines = chain(30)
    segments = [lines[:10], lines[10:20], lines[20:]]
    change(segments)
    verdict = read.verify(put(tmp_path, *segments))
    assert not verdict.ok and verdict.broken is not None
    assert verdict.broken[:3] == (file, line, seq)
    assert why in verdict.broken.why
    assert verdict.records == seq - 1


@pytest.mark.parametrize(("gone", "seq"), [(1, 1), (2, 11)])
def test_a_missing_segment_is_named(tmp_path: Path, gone: int, seq: int) -> None:
    lines = chain(30)
    folder = put(tmp_path, lines[:10], lines[10:20], lines[20:])
    (tmp_path / layout.segment_name(gone)).unlink()
    verdict = read.verify(folder)
    assert verdict.broken == (layout.segment_name(gone), 0, seq, "the file is missing")


@pytest.mark.parametrize("cut", [1, 5, 50, 200])
def test_an_unfinished_last_line_is_noted_and_no_breach(tmp_path: Path, cut: int) -> None:
    lines = chain(5)
    folder = put(tmp_path, [*lines[:4], lines[4][:-cut]])
    verdict = read.verify(folder)
    assert (verdict.ok, verdict.records) == (True, 4)
    assert "the last line is unfinished" in verdict.notes[0]
    assert [r["seq"] for r in read.tail(folder, 2)] == [3, 4]
    assert [r["seq"] for r in read.records(folder)] == [1, 2, 3, 4]
    assert read.head(folder)[0] == 4


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_any_flip_in_any_line_is_found_at_its_line(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    lines = chain(6)
    whole = bytearray(b"".join(lines))
    at = draw.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= draw.draw(st.integers(1, 255))
    folder = put(tmp_path_factory.mktemp("flip"), [bytes(whole)])
    line, end = 0, 0
    while end <= at:
        end += len(lines[line])
        line += 1
    verdict = read.verify(folder)
    assert not verdict.ok and verdict.broken is not None
    assert verdict.broken.line == line


def test_damaged_lines_are_passed_over_by_readers(tmp_path: Path) -> None:
    lines = chain(6)
    lines[2] = b"\xff\xfe garbage\n"
    lines[4] = b"z" * (3 * RECORD_MAX_BYTES) + b"\n"
    folder = put(tmp_path, lines)
    assert [r["seq"] for r in read.records(folder)] == [1, 2, 4, 6]
    assert [r["seq"] for r in read.tail(folder, 3)] == [2, 4, 6]


def test_many_torn_tails_make_few_notes(tmp_path: Path) -> None:
    for n in range(50):
        (tmp_path / f"torn-000001-{n}").write_bytes(b"x")
    notes = read.verify(put(tmp_path, chain(1))).notes
    assert len(notes) == read.TORN_TOLD_MAX + 1 and notes[-1] == "and 30 more torn lines"


def test_a_large_log_takes_little_memory(tmp_path: Path) -> None:
    lines, prev = [], GENESIS
    for seq in range(1, 1001):
        line, prev = make(seq, AT, "watchdog", 1, 1, "vote.cast", {"text": "x" * 8000}, prev)
        lines.append(line)
    folder = put(tmp_path, lines[:500], lines[500:])
    del lines
    tracemalloc.start()
    assert read.verify(folder).ok
    assert sum(1 for _ in read.records(folder, 700)) == 301
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 1024 * 1024  # of 8 MB


WRITER = """
import os, sys
from graced.audit import log
log.SEGMENT_MAX_BYTES = 200_000
audit = log.AuditLog(sys.argv[1], "watchdog", os.getpid(), 1)
for n in range(1500):
    audit.append("vote.cast", {"n": n, "text": "x" * (n % 9000)})
    if n == 10:
        print("go", flush=True)
"""


def test_it_is_read_and_verified_while_others_write(tmp_path: Path) -> None:
    folder = str(tmp_path / "audit")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == b"go\n"
        seen = 0
        while any(writer.poll() is None for writer in writers):
            verdict = read.verify(folder)
            assert verdict.ok, verdict
            assert verdict.records >= seen
            seen = verdict.records
            tail = [r["seq"] for r in read.tail(folder, 20)]
            assert tail == list(range(tail[0], tail[0] + len(tail)))
            assert tail[-1] >= seen
            assert read.head(folder)[0] >= tail[-1]
        assert seen > 10
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()  # type: ignore[union-attr]
    assert read.verify(folder).ok


def test_a_tear_set_aside_during_the_reading_is_no_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader has half of a torn line in its buffer when its place is written anew."""
    lines = chain(3)
    folder = put(tmp_path, [*lines[:2], lines[2][:100]])
    path = tmp_path / "000001.jsonl"
    real = read._walk
    looks = 0

    def walk(file, place, end, see):
        nonlocal looks
        looks += 1
        if looks > 1:
            return real(file, place, end, see)
        path.write_bytes(b"".join(lines))
        return read._Place(len(lines[0]) + len(lines[1]), 2, 3, read.parse(lines[1])["hash"]), "not JSON", 0

    monkeypatch.setattr(read, "_walk", walk)
    monkeypatch.setattr(read, "LOOK_WAIT_S", 0)
    verdict = read.verify(folder)
    assert (verdict.ok, verdict.records) == (True, 3)


def test_what_the_log_writes_is_what_it_reads(tmp_path: Path) -> None:
    audit = AuditLog(str(tmp_path), "watchdog", os.getpid(), 2, clock=lambda: 0.0)
    audit.append("vote.cast", {"a": "é\ud800", "b": 1e300})
    assert read.tail(str(tmp_path), 1)[0] | {"hash": ""} == {
        "seq": 1, "at": "1970-01-01T00:00:00.000Z", "member": "watchdog", "pid": os.getpid(), "incarnation": 2,
        "kind": "vote.cast", "data": {"a": "é\ufffd", "b": "1e+300"}, "prev": GENESIS, "hash": "",
    }  # fmt: skip
    assert log.QUEUE_MAX > 0
