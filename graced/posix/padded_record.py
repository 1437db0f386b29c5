"""A slot: a file of one padded record, always overwritten whole by one pwrite.

A rewrite needs no free block, so it works on a full disk; it never truncates, so a reader sees the old record or the
new one. The rare reader that catches a write half way sees text that does not parse, and looks again.
"""

import errno
import os

from graced.posix.shortage import unless_short

SLOT_BYTES = 128
"""Default size of a slot. A lock record at its longest takes 120."""

MAX_SLOT_BYTES = 4096
"""No slot is larger: one page is what a single pwrite replaces as one."""


def write_slot(fd: int, data: bytes, size_bytes: int = SLOT_BYTES) -> None:
    """Replaces the record; b"" blanks it. ValueError when it does not fit, OSError when the disk refuses it."""
    if len(data) > size_bytes or size_bytes > MAX_SLOT_BYTES or b"\n" in data:
        raise ValueError(f"a record of {len(data)} bytes does not fit a slot of {size_bytes}")
    padded = data.ljust(size_bytes)
    written = os.pwrite(fd, padded, 0)
    if os.fstat(fd).st_size > size_bytes:  # something else stood there; a slot of ours never gets longer
        os.ftruncate(fd, size_bytes)
    if written != size_bytes:
        raise OSError(errno.ENOSPC, f"only {written} of {size_bytes} bytes could be written")


def read_slot(path: str) -> bytes | None:
    """The record without its padding; None when the file is missing, unreadable or blank.

    Raises OSError only for a shortage of ours: then there is no telling.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        unless_short(error)
        return None
    try:
        data = os.pread(fd, MAX_SLOT_BYTES, 0)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data.partition(b"\n")[0].strip(b" \0") or None


def open_slot(path: str) -> int:
    """A descriptor (O_CLOEXEC) to write the slot by; the file is made 0600 when missing. Raises OSError.

    A FIFO in its place does not make it wait.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
