"""Where the chain ends on disk, and what is wrong there. Called under the lock of the log, in the loop of a member.

At most one record without a newline is what a killed writer left: it was never acknowledged, and is moved to
`torn-NNNNNN-OFFSET`. Anything else is left where it is, as evidence: the chain goes on after the last whole record, and
`read.verify` will name the place for ever.

Every look is bounded in bytes and in lines, whatever somebody has put into the log: a member must not be voted dead
over it.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from graced.audit.layout import (
    NOT_REGULAR,
    ODD_LINES_MAX,
    backwards,
    end_of_lines,
    open_segment,
    segment_name,
    span,
    torn_name,
)
from graced.audit.record import GENESIS, RECORD_MAX_BYTES, Broken, parse, torn

COPY_BYTES: Final = 64 * 1024
TORN_SAME_NAME_MAX: Final = 100
"""Torn tails set aside from one offset of one segment: .1, .2 and so on are put behind the name."""

KNOWN_LOOK: Final = 1000
"""Lines looked through for a record that the caller knows, and for reports of what was taken out."""

_REPORT: Final = b'"kind":"audit.broken"'
_SEQ: Final = re.compile(rb'"seq": ?(\d{1,16})[,}]')
_HASH: Final = re.compile(rb'"hash": ?"([0-9a-f]{64})"')


class Known(NamedTuple):
    """A record that was in the log once; seq 0 for none. `reports`: hashes of the `audit.broken` records seen so far.

    A report that is not among them may be another member's word about the very loss that is found now.
    """

    seq: int = 0
    head: str = GENESIS
    reports: frozenset[str] = frozenset()


class End(NamedTuple):
    """The end of the chain: the last whole record. Segment `number` is to be appended to (0: a new one).

    `torn`: (file, offset, bytes) set aside now. `broken`: (file, why) of what is damaged behind the last whole record.
    `lost`: why the log is not the one that the caller knows, "" when it is, or when another has reported that.
    `reports`: hashes of the reports met on the way. `unended`: bytes without a newline are left at the segment's end.
    """

    seq: int
    head: str
    number: int
    size: int
    torn: list[tuple[str, int, int]]
    broken: list[tuple[str, str]]
    lost: str
    reports: frozenset[str]
    unended: bool


def find(folder: str, numbers: list[int], known: Known) -> End:
    """The end of the chain in these segments (ascending); sets aside a torn tail of the last. Raises OSError."""
    set_aside: list[tuple[str, int, int]] = []
    broken: list[tuple[str, str]] = []
    number, size, unended = (numbers[-1] if numbers else 0), 0, False
    seq, head, looked, reports = 0, GENESIS, 0, set[str]()
    there = False
    for at in reversed(numbers):
        last = at == numbers[-1]
        try:
            fd = open_segment(folder, at, os.O_RDWR if last else os.O_RDONLY)
        except OSError as error:
            if error.strerror != NOT_REGULAR:
                raise
            broken.append((segment_name(at), NOT_REGULAR))
            number = 0 if last else number
            continue
        try:
            if last:
                size, unended = _tail(fd, folder, at, set_aside, broken)
            lines = backwards(fd, min(size, span(fd)) if last else span(fd))
            if not seq:
                found = _last_record(lines, segment_name(at), fd, broken, last)
                if found is None:
                    continue
                seq, head, line = found
                there = _is(line, known)
                _note_report(line, reports)
            if seq < known.seq or (not there and looked < KNOWN_LOOK):
                for _, line in islice(lines, KNOWN_LOOK - looked):
                    looked += 1
                    _note_report(line, reports)
                    there = there or _is(line, known)
                    if there and seq >= known.seq:
                        break
        finally:
            os.close(fd)
        if seq and (there or not known.seq or looked >= KNOWN_LOOK):
            break
    return End(
        seq, head, number, size, set_aside, broken,
        _loss(seq, known, there, looked, frozenset(reports)), frozenset(reports), unended,
    )  # fmt: skip


def _tail(
    fd: int, folder: str, number: int, set_aside: list[tuple[str, int, int]], broken: list[tuple[str, str]]
) -> tuple[int, bool]:
    """(size, unended) of the last segment, once a torn tail is set aside."""
    whole = os.fstat(fd).st_size
    offset = end_of_lines(fd, whole)
    if offset == whole:
        return whole, False
    if offset is not None and torn(os.pread(fd, RECORD_MAX_BYTES, offset)):
        _set_aside(fd, offset, folder, number)
        set_aside.append((segment_name(number), offset, whole - offset))
        return offset, False
    where = f"behind byte {offset}" if offset is not None else "at the end"
    broken.append((segment_name(number), f"what stands {where} is more than one torn record"))
    return whole, True


def _last_record(
    lines: Iterator[tuple[int, bytes]], name: str, fd: int, broken: list[tuple[str, str]], last: bool
) -> tuple[int, str, bytes] | None:
    """(seq, hash, line) of the last whole record of a segment; what stands behind it is told once."""
    for at, line in islice(lines, ODD_LINES_MAX):
        try:
            record = parse(line + b"\n")
        except Broken:
            continue
        _tell_garbage(fd, at + len(line) + 1, name, broken, last)
        return record["seq"], record["hash"], line
    _tell_garbage(fd, 0, name, broken, last)
    return None


def _tell_garbage(fd: int, offset: int, name: str, broken: list[tuple[str, str]], last: bool) -> None:
    """Tells of the line at `offset`, where the whole records end; of an unended one at the log's end `_tail` tells."""
    text = os.pread(fd, RECORD_MAX_BYTES + 1, offset)
    line, newline, _ = text.partition(b"\n")
    if not text or (last and not newline):
        return
    try:
        parse(line + newline)
        why = "a record that is not found from the end"
    except Broken as error:
        why = str(error)
    broken.append((name, f"the line at byte {offset}: {why}"))


def _is(line: bytes, known: Known) -> bool:
    found = _HASH.search(line, max(0, len(line) - 80)) or _HASH.search(line)
    return known.seq > 0 and found is not None and found[1].decode() == known.head and _seq(line) == known.seq


def _seq(line: bytes) -> int:
    found = _SEQ.findall(line)
    return int(found[-1]) if found else 0


def _note_report(line: bytes, reports: set[str]) -> None:
    found = _HASH.search(line, max(0, len(line) - 80)) if _REPORT in line else None
    if found is not None:
        reports.add(found[1].decode())


def _loss(seq: int, known: Known, there: bool, looked: int, reports: frozenset[str]) -> str:
    """What happened to the record that the caller knows, unless another member has reported that meanwhile."""
    if not known.seq or there or reports - known.reports:
        return ""
    if seq < known.seq:
        return f"records {seq + 1} to {known.seq} were taken out of the audit log"
    return f"record {known.seq} of the audit log was rewritten" if looked < KNOWN_LOOK else ""


def _set_aside(fd: int, offset: int, folder: str, number: int) -> None:
    """Copies everything from `offset` on to a file of its own and cuts it off. Killed in between, it is done again."""
    copy = _torn_file(fd, offset, os.path.join(folder, torn_name(number, offset)))
    try:
        at = offset
        while chunk := os.pread(fd, COPY_BYTES, at):
            left = memoryview(chunk)
            while left:
                left = left[os.write(copy, left) :]
            at += len(chunk)
    finally:
        os.close(copy)
    os.ftruncate(fd, offset)


def _torn_file(fd: int, offset: int, path: str) -> int:
    """An empty file to copy to: new, or one that a killed copier left, whose bytes all are still in the segment."""
    for suffix in range(TORN_SAME_NAME_MAX):
        name = f"{path}.{suffix}" if suffix else path
        with contextlib.suppress(FileExistsError):
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        copy = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        if _same_bytes(copy, fd, offset):
            os.ftruncate(copy, 0)
            return copy
        os.close(copy)
    raise FileExistsError(f"{path}.1 to .{TORN_SAME_NAME_MAX - 1} are all taken")


def _same_bytes(copy: int, fd: int, offset: int) -> bool:
    """Whether what is in `copy` is what stands in `fd` from `offset` on, as far as it goes."""
    at = 0
    while chunk := os.pread(copy, COPY_BYTES, at):
        if os.pread(fd, len(chunk), offset + at) != chunk:
            return False
        at += len(chunk)
    return True
