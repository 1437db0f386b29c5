"""A log that somebody cut, rewrote, replaced or filled: found and told, once for each time, and nobody waits for it."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graced.audit import head, layout, read
from graced.audit.log import AuditLog
from graced.audit.read import Anchor
from graced.audit.record import GENESIS, make

LOOK_LIMIT_S = 2.0
"""A generous bound on what takes some milliseconds, and took half a minute."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def make_log(folder: Path, member: str = "watchdog", records: int = 0) -> AuditLog:
    audit = AuditLog(str(folder), member, os.getpid(), 1)
    for n in range(records):
        assert audit.append("vote.cast", {"n": n})
    return audit


def sync(audit: AuditLog) -> None:
    """What a worker does."""
    audit.sync_target()
    now = audit.sync_head()
    assert now is not None
    head.keep_head(audit.folder, now)


def segment(folder: Path, number: int = 1) -> Path:
    return folder / layout.segment_name(number)


def lines_of(folder: Path) -> list[bytes]:
    return segment(folder).read_bytes().splitlines(keepends=True)


def rewritten(lines: list[bytes], place: int) -> list[bytes]:
    """The same number of records, with another text at `place` and a chain that fits."""
    found, prev = [], GENESIS
    for n, line in enumerate(lines):
        record = read.parse(line)
        data = record["data"] | ({"n": 777} if n == place else {})
        line, prev = make(
            record["seq"], record["at"], record["member"], record["pid"], record["incarnation"], record["kind"], data,
            prev,
        )  # fmt: skip
        found.append(line)
    return found


@pytest.mark.parametrize("filler", [b" ", b"x", b"\0", b"\r"])
@pytest.mark.parametrize("taken", [range(9, 40), range(30, 40), range(38, 40)])
def test_newlines_that_were_taken_out_are_a_breach_and_stay_one(folder: Path, filler: bytes, taken: range) -> None:
    make_log(folder, records=40)
    lines = lines_of(folder)
    for n in taken:
        lines[n] = lines[n][:-1] + filler
    segment(folder).write_bytes(b"".join(lines))
    assert not read.verify(str(folder)).ok
    assert make_log(folder).append("vote.cast", {})
    verdict = read.verify(str(folder))
    assert verdict.broken is not None and verdict.broken.seq == taken.start + 1
    assert not list(folder.glob("torn-*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write(b"\n" * 8 * 1024 * 1024),
        lambda file: file.write(b"{}\n" * 200_000),
        lambda file: file.truncate(20 * 1024**3),
        lambda file: file.write(b'"hash"\n' * 200_000),
        lambda file: file.write(b'{"hash":' * 500_000),
    ],
    ids=["newlines", "objects", "sparse", "marks", "marks in one line"],
)
def test_a_filled_log_holds_nobody_up(folder: Path, damage: Callable[..., object]) -> None:
    audit = make_log(folder, records=40)
    with segment(folder).open("ab") as file:
        damage(file)
    began = time.monotonic()
    assert audit.append("vote.cast", {})
    assert make_log(folder, "trigger").append("vote.cast", {})
    assert read.head(str(folder))[0] > 0
    read.tail(str(folder), 10)
    assert not read.verify(str(folder)).ok
    assert time.monotonic() - began < LOOK_LIMIT_S
    assert audit.findings


def test_a_log_rewritten_with_as_many_records_while_it_runs_is_found(folder: Path) -> None:
    audits = [make_log(folder, member, 5) for member in ("watchdog", "trigger")]
    segment(folder).write_bytes(b"".join(rewritten(lines_of(folder), 2)))
    assert all(audit.append("vote.cast", {}) for audit in audits)
    assert [len(audit.findings) for audit in audits] == [1, 0]
    assert audits[0].findings == ["record 5 of the audit log was rewritten while graced ran"]
    assert not read.verify(str(folder)).ok


def test_a_second_cut_is_told_though_the_first_one_was(folder: Path) -> None:
    audits = [make_log(folder, member, 5) for member in ("watchdog", "trigger")]
    for cut in (7, 5):
        segment(folder).write_bytes(b"".join(lines_of(folder)[:cut]))
        for audit in audits:
            assert audit.append("vote.cast", {})
        told = [finding for audit in audits for finding in audit.findings]
        assert len(told) == 1 and "were taken out" in told[0], told
        for audit in audits:
            audit.findings.clear()


@pytest.mark.parametrize("change", ["cut", "rewritten", "gone"])
def test_what_was_done_while_nobody_ran_is_found_by_the_kept_head(folder: Path, change: str) -> None:
    audit = make_log(folder, records=10)
    sync(audit)
    lines = lines_of(folder)
    match change:
        case "cut":
            segment(folder).write_bytes(b"".join(lines[:6]))
        case "rewritten":
            segment(folder).write_bytes(b"".join(rewritten(lines, 3)))
        case "gone":
            segment(folder).unlink()
    verdict = read.verify(str(folder))
    assert verdict.broken is not None and "the head kept beside the log" in verdict.broken.why
    later = make_log(folder)
    assert later.append("vote.cast", {}) and len(later.findings) == 1
    assert later.findings[0].endswith("before graced began")
    assert not read.verify(str(folder)).ok
    another = make_log(folder, "trigger")
    assert another.append("vote.cast", {}) and not another.findings


def test_a_head_is_kept_only_of_what_was_synced(folder: Path) -> None:
    audit = make_log(folder, records=3)
    sync(audit)
    assert audit.append("vote.cast", {})
    kept = head.kept_head(str(folder))
    assert kept is not None and kept.seq == 3
    segment(folder).write_bytes(b"".join(lines_of(folder)[:3]))  # what a power loss may do
    assert read.verify(str(folder)).ok
    later = make_log(folder)
    assert later.append("vote.cast", {}) and not later.findings


@pytest.mark.parametrize(
    "kept", [b"", b"{}", b'{"seq":-1,"head":""}', b'{"seq":1e30,"head":"x"}', b"\xff" * 300, b"[" * 200]
)
def test_a_kept_head_that_makes_no_sense_is_none(folder: Path, kept: bytes) -> None:
    make_log(folder, records=2)
    (folder / head.HEAD_NAME).write_bytes(kept)
    assert read.verify(str(folder)).ok
    assert make_log(folder).append("vote.cast", {})


@pytest.mark.parametrize("kind", ["null", "link", "fifo", "folder"])
def test_a_segment_that_is_no_file_is_a_breach_and_the_log_goes_on(folder: Path, kind: str, tmp_path: Path) -> None:
    audit = make_log(folder, records=3)
    segment(folder).unlink()
    match kind:
        case "null":
            segment(folder).symlink_to("/dev/null")
        case "link":
            (tmp_path / "elsewhere").write_bytes(b"precious\n")
            segment(folder).symlink_to(tmp_path / "elsewhere")
        case "fifo":
            os.mkfifo(segment(folder))
        case "folder":
            segment(folder).mkdir()
    verdict = read.verify(str(folder))
    assert verdict.broken is not None and verdict.broken.why == layout.NOT_REGULAR
    assert audit.append("vote.cast", {}), audit.reason
    assert segment(folder, 2).stat().st_size > 0
    assert any(layout.NOT_REGULAR in finding for finding in audit.findings)
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"precious\n"
    assert not read.verify(str(folder)).ok


def test_an_anchor_outside_finds_what_was_taken_with_the_kept_head(folder: Path, tmp_path: Path) -> None:
    audit = make_log(folder, records=10)
    sync(audit)
    anchors = [Anchor(audit.records, audit.head, "the anchor")]
    assert read.verify(str(folder), anchors).ok
    segment(folder).write_bytes(b"".join(lines_of(folder)[:6]))
    (folder / head.HEAD_NAME).unlink()
    assert read.verify(str(folder)).ok
    verdict = read.verify(str(folder), anchors)
    assert verdict.broken is not None and "the anchor tells of record 10" in verdict.broken.why
    shutil.rmtree(folder)
    assert not read.verify(str(folder), anchors).ok
