"""The files of the audit folder: NNNNNN.jsonl, torn-NNNNNN-OFFSET, the lock of whoever appends, the kept head.

Whatever stands in the folder may be damaged or planted: a segment is opened as a regular file and never through a link,
and no reader looks further than a writer of ours can have written.
"""

import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from graced.audit.record import RECORD_MAX_BYTES

SEGMENT_MAX_BYTES: Final = 16 * 1024 * 1024
"""A segment that has reached this is followed by a new one."""

SEGMENT_SPAN_BYTES: Final = SEGMENT_MAX_BYTES + 4 * 1024 * 1024
"""No byte of a record lies further on: the last write to a segment begins below its limit and is one queue at most."""

LOCK_NAME: Final = ".lock"
TORN_PREFIX: Final = "torn-"
_SUFFIX: Final = ".jsonl"
_DIGITS: Final = 6

FIRST_LOOK_BYTES: Final = 4096
"""The end of a segment that is read first: some ten records."""
LOOK_MAX_BYTES: Final = 256 * 1024
ODD_LINES_MAX: Final = 1000
"""Lines of a segment, from its end on, that show the mark of a record and turn out to be none. Then it is given up."""

NOT_REGULAR: Final = "is no regular file"

RECORD_MIN_BYTES: Final = 200
"""No record is shorter: two hashes and the names of nine members."""

_MARK: Final = b'"hash"'
"""Every record has it, whatever form its JSON is in. What does not have it is passed over at the speed of a search."""


def segment_name(number: int) -> str:
    return f"{number:0{_DIGITS}d}{_SUFFIX}"


def torn_name(number: int, offset: int) -> str:
    return f"{TORN_PREFIX}{number:0{_DIGITS}d}-{offset}"


def segments(folder: str) -> list[int]:
    """Numbers of the segments, ascending; [] when there is no such folder. Other files are ignored. Raises OSError."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    numbers = [int(stem) for stem in stems if len(stem) >= _DIGITS and stem.isascii() and stem.isdigit()]
    return sorted(n for n in numbers if n > 0)


def open_segment(folder: str, number: int, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a segment that is there. OSError also when it is no regular file (a link, a FIFO, a device)."""
    path = os.path.join(folder, segment_name(number))
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise not_regular(path)
    return fd


def not_regular(path: str) -> OSError:
    return OSError(errno.EINVAL, NOT_REGULAR, path)


def span(fd: int) -> int:
    """How many bytes of a segment are looked at: all of it, unless it is larger than any writer of ours makes one."""
    return min(os.fstat(fd).st_size, SEGMENT_SPAN_BYTES)


def end_of_lines(fd: int, size: int) -> int | None:
    """Where the last newline among the first `size` bytes ends; None when none is within a record's length of the end.

    0: the file is shorter than a record and has no newline. Raises OSError.
    """
    start = max(0, size - RECORD_MAX_BYTES - 1)
    found = os.pread(fd, size - start, start).rfind(b"\n")
    if found >= 0:
        return start + found + 1
    return 0 if start == 0 else None


def last_lines(folder: str) -> Iterator[tuple[int, bytes]]:
    """(bytes from where it begins to the log's end, line) of all lines that may be records, last first.

    Raises OSError.
    """
    behind = 0
    for number in reversed(segments(folder)):
        fd = open_segment(folder, number)
        try:
            size = span(fd)
            for offset, line in backwards(fd, size):
                yield behind + size - offset, line
        finally:
            os.close(fd)
        behind += size


def backwards(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line without its newline) of whole lines that may be records, among the first `size` bytes, last first.

    A line may be a record when it has the mark of one and is no longer than one. Garbage of any length costs a search
    through it and no more memory than a good log. Raises OSError.
    """
    edge, look = size, FIRST_LOOK_BYTES
    while edge > 0:
        start = max(0, edge - look)
        block = os.pread(fd, edge - start, start)
        at = block.rfind(_MARK)
        while at >= 0:
            offset, line = _line_at(fd, size, start, block, at)
            if len(line) >= RECORD_MIN_BYTES:
                yield offset, line
            if offset <= start and start:  # the line began before this block
                edge = offset
                break
            at = block.rfind(_MARK, 0, max(0, offset - start))
        else:
            edge = start + len(_MARK) - 1 if start else 0  # a mark may lie across the edge
            look = min(2 * look, LOOK_MAX_BYTES)


def _line_at(fd: int, size: int, start: int, block: bytes, at: int) -> tuple[int, bytes]:
    """The line around byte `at` of a block that begins at `start`, and where it begins.

    b"" when it is unfinished or too long; no record then begins behind the offset that is given.
    """
    first, last = block.rfind(b"\n", 0, at), block.find(b"\n", at)
    if (first < 0 and start) or last < 0:  # the line goes on beyond the block
        base = max(0, start + at - RECORD_MAX_BYTES)
        block = os.pread(fd, min(size, start + at + RECORD_MAX_BYTES) - base, base)
        start, at = base, start + at - base
        first, last = block.rfind(b"\n", 0, at), block.find(b"\n", at)
    line = block[first + 1 : last] if last >= 0 and (first >= 0 or not start) else b""
    return start + first + 1, line if len(line) < RECORD_MAX_BYTES else b""
