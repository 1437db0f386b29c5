"""Where the chain ends on disk, and what is wrong there. Called under the lock of the log.

A line without a newline is what a killed writer left: it was never acknowledged, and is moved to `torn-NNNNNN-OFFSET`.
Whole lines that are no records are left where they are, as evidence: the chain goes on after the last whole record, and
`read.verify` will name the place for ever.
"""

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from graced.audit.layout import backwards, segment_name, torn_name
from graced.audit.record import GENESIS, Broken, parse

COPY_BYTES: Final = 64 * 1024
TORN_SAME_NAME_MAX: Final = 100
"""Torn tails set aside from one offset of one segment: .1, .2 and so on are put behind the name."""

BROKEN_TOLD_MAX: Final = 4
"""Broken lines that are told one by one."""

TOLD_LOOK: Final = 100
"""Records looked through for another's report that records are missing."""

_TOLD: Final = b'"kind":"audit.broken"'


class End(NamedTuple):
    """The end of the chain: the last whole record, and `size` of the last segment once its torn tail is gone.

    `torn`: (file, offset, bytes) set aside now. `broken`: (file, why) of lines behind the last whole record.
    `lost`: it comes before a record that the caller knows of, and no other member has recorded that yet.
    """

    seq: int
    head: str
    size: int
    torn: list[tuple[str, int, int]]
    broken: list[tuple[str, str]]
    lost: bool


def find(folder: str, numbers: list[int], known_seq: int) -> End:
    """The end of the chain in these segments (ascending); sets aside a torn tail of the last. Raises OSError.

    `known_seq`: of a record that was there once, or 0.
    """
    torn: list[tuple[str, int, int]] = []
    broken: list[tuple[str, str]] = []
    size = 0
    for number in reversed(numbers):
        last = number == numbers[-1]
        name = segment_name(number)
        fd = os.open(os.path.join(folder, name), (os.O_RDWR if last else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            whole = os.fstat(fd).st_size
            lines = backwards(fd, whole)
            offset, rest = next(lines)
            if rest and last:
                _set_aside(fd, offset, folder, number)
                torn.append((name, offset, whole - offset))
            elif rest:
                broken.append((name, f"the line at byte {offset} is unfinished"))
            if last:
                size = offset if rest else whole
            for at, line in lines:
                try:
                    record = parse(line + b"\n")
                except Broken as error:
                    if len(broken) < BROKEN_TOLD_MAX:
                        broken.append((name, f"the line at byte {at}: {error}"))
                    continue
                lost = record["seq"] < known_seq and not _told(line, lines)
                return End(record["seq"], record["hash"], size, torn, broken, lost)
        finally:
            os.close(fd)
    return End(0, GENESIS, size, torn, broken, known_seq > 0)


def _told(line: bytes, before: Iterator[tuple[int, bytes]]) -> bool:
    return _TOLD in line or any(_TOLD in earlier for _, earlier in islice(before, TOLD_LOOK))


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
