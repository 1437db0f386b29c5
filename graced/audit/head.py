"""The last record that is on disk for certain, kept beside the log: who cuts or rewrites the log is found out by it.

It is written after a sync, so a power loss never leaves a log that is shorter than the kept head says.
"""

import contextlib
import os
from typing import Final

import msgspec

from graced.audit.record import GENESIS
from graced.posix.padded_record import open_slot, read_slot, write_slot
from graced.posix.undecodable import UNDECODABLE

HEAD_NAME: Final = ".head"
HEAD_BYTES: Final = 256
SEQ_MAX: Final = 2**53


class Head(msgspec.Struct, frozen=True):
    """seq and hash of a record; `report`: the hash of the newest `audit.broken` record known then, "" without."""

    seq: int
    head: str
    report: str = ""


def kept_head(folder: str) -> Head | None:
    """None when none was kept, or nothing that makes sense."""
    data = read_slot(os.path.join(folder, HEAD_NAME))
    if data is None:
        return None
    try:
        found = msgspec.json.decode(data, type=Head)
    except UNDECODABLE:
        return None
    sane = 0 < found.seq < SEQ_MAX and len(found.head) == len(GENESIS)
    return found if sane else None


def keep_head(folder: str, head: Head) -> None:
    """Members sync in any order; the furthest head stays. A disk that refuses it keeps the one before."""
    with contextlib.suppress(OSError):
        fd = open_slot(os.path.join(folder, HEAD_NAME))
        try:
            kept = kept_head(folder)
            if kept is None or kept.seq < head.seq or kept.report != head.report:
                write_slot(fd, msgspec.json.encode(head), HEAD_BYTES)
        finally:
            os.close(fd)
