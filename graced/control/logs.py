"""Log files as people read them: the last lines, those since a time, and what comes next, through every rotation."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

BLOCK_BYTES: Final = 64 * 1024
LINE_MAX_BYTES: Final = 1024 * 1024
"""A longer line is given in pieces, where lines are put together at all."""

MARK_BYTES: Final = 256
"""Of what was shown last, by which the place is found again in a file that lost its head."""

_TIME: Final = re.compile(
    rb"\W{0,2}(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6})\d*)? ?(Z|[+-]\d\d:?\d\d)?"
)

Write = Callable[[bytes], None]


def time_in(line: bytes) -> float | None:
    """The time at the beginning of a line, in seconds since 1970; None without one. Without a zone it is local time."""
    found = _TIME.match(line)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    micros = int((found[7] or b"").ljust(6, b"0"))
    zone = (found[8] or b"").decode().replace("Z", "+00:00")
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}{zone}"
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def offset_of_last(fd: int, size: int, lines: int) -> int:
    """Where the last `lines` lines of the first `size` bytes begin; an unfinished line at the end is one."""
    if lines <= 0:
        return size
    left = lines
    edge = size
    first = True
    while edge > 0:
        start = max(0, edge - BLOCK_BYTES)
        block = os.pread(fd, edge - start, start)
        at = len(block)
        if first and block.endswith(b"\n"):
            at -= 1
        first = False
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            left -= 1
            if left == 0:
                return start + at + 1
        edge = start
    return 0


def offset_since(fd: int, size: int, since: float) -> tuple[int, bool]:
    """Where the lines from `since` (seconds since 1970) on begin, and whether a line told a time.

    Lines without a time belong to the one before them. In a file without any, the file's own time speaks for all.
    """
    if os.fstat(fd).st_mtime < since:
        return size, True
    timed = False
    for offset, line in _lines(fd, size):
        at = time_in(line)
        if at is not None:
            if at >= since:
                return offset, True
            timed = True
    return size if timed else 0, timed


def _lines(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, beginning) of each line."""
    offset, rest, rest_at = 0, b"", 0
    while offset < size:
        block = os.pread(fd, min(BLOCK_BYTES, size - offset), offset)
        if not block:
            break
        offset += len(block)
        parts = (rest + block).split(b"\n")
        for part in parts[:-1]:
            yield rest_at, part
            rest_at += len(part) + 1
        rest = parts[-1][:LINE_MAX_BYTES]
    if rest:
        yield rest_at, rest


class Reader:
    """One log file, from a place on. `show` writes what is there, `more` what has come since.

    A file that is not there yet is waited for. One that was replaced is read to its end, then the new one from its
    beginning. One that shrank is searched for what was shown last, and read from its beginning if that is gone.
    """

    def __init__(self, path: str, write: Write) -> None:
        self._path, self._write = path, write
        self._fd = -1
        self._offset = 0
        self._size = 0
        self._mark = b""
        self.shown = False
        """Has anything been written out?"""
        self.dated = True
        """False when lines since a time were asked for, and none of them says its time."""

    def show(self, lines: int | None, since: float | None) -> bool:
        """The last `lines` (None: all) of those from `since` on; False when there is no file. Raises OSError."""
        if not self._open():
            return False
        size = os.fstat(self._fd).st_size
        self._offset = 0
        if since is not None:
            self._offset, self.dated = offset_since(self._fd, size, since)
        if lines is not None:
            self._offset = max(self._offset, offset_of_last(self._fd, size, lines))
        self._size = size
        self._copy(size)
        return True

    def more(self) -> bool:
        """Whether anything new was written out. Raises OSError."""
        if self._fd < 0 and not self._open():
            return False
        size = os.fstat(self._fd).st_size
        if size < self._offset:
            self._offset = self._found_again(size)
        before = self._offset
        self._size = size
        self._copy(size)
        if self._offset == before and self._replaced():
            self.close()
            return self._open() and self.more()
        return self._offset != before

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._offset, self._mark = -1, 0, b""

    def _open(self) -> bool:
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        return True

    def _copy(self, size: int) -> None:
        while self._offset < size:
            block = os.pread(self._fd, min(BLOCK_BYTES, size - self._offset), self._offset)
            if not block:
                return
            self._write(block)
            self.shown = True
            self._offset += len(block)
            self._mark = (self._mark + block)[-MARK_BYTES:]

    def _found_again(self, size: int) -> int:
        """Where to go on in a file that is shorter now: behind the mark if it moved, else at the beginning."""
        latest = self._offset - (self._size - size)
        if not self._mark or latest <= 0:
            return 0
        start = max(0, latest - LINE_MAX_BYTES)
        kept = os.pread(self._fd, latest - start, start)
        at = kept.rfind(self._mark)
        return start + at + len(self._mark) if at >= 0 else 0

    def _replaced(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        here = os.fstat(self._fd)
        return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)


class Lines:
    """Makes lines of a stream of blocks, each given to `tell` without its end; one is held back until it is whole."""

    def __init__(self, tell: Write) -> None:
        self._tell, self._rest = tell, b""

    def __call__(self, block: bytes) -> None:
        whole, newline, rest = (self._rest + block).rpartition(b"\n")
        if newline:
            for line in whole.split(b"\n"):
                self._tell(line)
        self._rest = rest
        if len(rest) > LINE_MAX_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes the unfinished line, if any, as one."""
        if self._rest:
            self._tell(self._rest)
            self._rest = b""
