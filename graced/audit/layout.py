"""The files of the audit folder: NNNNNN.jsonl, torn-NNNNNN-OFFSET, and the lock of whoever appends."""

import os
from collections.abc import Iterator
from typing import Final

from graced.audit.record import RECORD_MAX_BYTES

SEGMENT_MAX_BYTES: Final = 16 * 1024 * 1024
"""A segment that has reached this is followed by a new one."""

LOCK_NAME: Final = ".lock"
TORN_PREFIX: Final = "torn-"
_SUFFIX: Final = ".jsonl"
_DIGITS: Final = 6

FIRST_LOOK_BYTES: Final = 4096
"""The end of a segment that is read first: some ten records."""
LOOK_MAX_BYTES: Final = 256 * 1024


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


def last_lines(folder: str) -> Iterator[tuple[int, bytes]]:
    """(bytes from where it begins to the log's end, line) of every whole line of all segments, last first.

    Raises OSError.
    """
    behind = 0
    for number in reversed(segments(folder)):
        with open(os.path.join(folder, segment_name(number)), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            lines = backwards(file.fileno(), size)
            next(lines)  # not a line yet
            for offset, line in lines:
                yield behind + size - offset, line
        behind += size


def backwards(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line without its newline) of a file's first `size` bytes, last line first. Raises OSError.

    The first item is what stands behind the last newline, b"" when nothing does: not a line yet. A line is cut to a
    little more than a record may have, so a file of garbage costs no more memory than a good one.
    """
    rest = b""  # the beginning of the line that was cut by the left edge of the last look
    edge, look = size, FIRST_LOOK_BYTES
    while edge > 0:
        start = max(0, edge - look)
        pieces = (os.pread(fd, edge - start, start) + rest).split(b"\n")
        offsets = [start]
        for piece in pieces[:-1]:
            offsets.append(offsets[-1] + len(piece) + 1)
        for at in range(len(pieces) - 1, 0, -1):
            yield offsets[at], pieces[at][: RECORD_MAX_BYTES + 1]
        rest = pieces[0][: RECORD_MAX_BYTES + 1]
        edge, look = start, min(2 * look, LOOK_MAX_BYTES)
    yield 0, rest
