"""What the audit log was told of runs lately, by whoever held this role before.

A record and the row that says it was written are in two files, and kill -9 falls between them. So the record goes first
(`Shell._flush`), and a successor, whose rows are older then, looks here before it tells of a run once more.
"""

import contextlib
import os
from typing import Final, NamedTuple

import msgspec

from graced.audit.layout import backwards, segment_name, segments
from graced.core.vocabulary import Action, Record

LOOK_BYTES: Final = 128 * 1024
"""Of the log's end: some 400 records, and a millisecond. Between a death and the successor's birth there are fewer."""

KINDS: Final = ("kernel.started", "kernel.exited")
_MARKS: Final = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)


class Told(NamedTuple):
    kind: str
    kernel: str
    run: int


class _Data(msgspec.Struct):
    kernel: str
    run: int


class _Line(msgspec.Struct):
    kind: str
    data: _Data


def told_of(action: Action) -> Told | None:
    """What a record tells of a run; None of any other action."""
    if not isinstance(action, Record) or action.kind not in KINDS:
        return None
    return Told(action.kind, str(action.data["kernel"]), int(action.data["run"]))


def told_lately(folder: str) -> set[Told]:
    """What stands in the last LOOK_BYTES of the log in `folder`; what cannot be read was not told."""
    found: set[Told] = set()
    left = LOOK_BYTES
    with contextlib.suppress(OSError):
        for number in reversed(segments(folder)):
            fd = os.open(os.path.join(folder, segment_name(number)), os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = os.fstat(fd).st_size
                for offset, line in backwards(fd, size):
                    if any(mark in line for mark in _MARKS):
                        with contextlib.suppress(msgspec.DecodeError):
                            record = msgspec.json.decode(line, type=_Line)
                            found.add(Told(record.kind, record.data.kernel, record.data.run))
                    if size - offset > left:
                        return found
                left -= size
            finally:
                os.close(fd)
    return found
