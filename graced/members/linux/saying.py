"""What a spawner in the foreground says on its standard output: one line for each change of state, read from the
audit log.

`docker logs` and runit's log show nothing else of graced. Whoever reads slowly holds up nobody: what the output does
not take is counted and said later.
"""

import contextlib
import os
import select
from typing import Any, Final

import msgspec

from graced.audit.layout import segment_name, segments
from graced.home.paths import Home
from graced.posix.journal import message
from graced.posix.undecodable import UNDECODABLE

SAID: Final = frozenset({
    "member.started", "member.down", "recovery.succeeded", "recovery.failed", "emergency.activated", "emergency.ended",
    "kernel.started", "kernel.exited", "kernel.unhealthy", "fix.applied", "fix.undone", "source.restored", "escalated",
    "approval.requested", "power.refused", "audit.broken",
})  # fmt: skip
READ_BYTES: Final = 256 * 1024
"""Of the log, in one look; the rest at the next."""

LINE_BYTES: Final = 2048
"""Less than PIPE_BUF, so that what is writable takes the whole line at once."""

OUTPUT: Final = 1


class Told(msgspec.Struct):
    at: str
    member: str
    kind: str
    data: dict[str, Any]


class Saying:
    """`tend` reads and prints what is new since this was made."""

    def __init__(self, home: Home, interval_s: float, now: float) -> None:
        self._folder, self._interval_s = home.audit, interval_s
        self._number = 0
        self._offset = 0
        self._due = now
        self._dropped = 0
        with contextlib.suppress(OSError):
            self._number = (segments(self._folder) or [1])[-1]
            self._offset = os.stat(self._path()).st_size
        self._number = self._number or 1

    @property
    def due(self) -> float:
        return self._due

    def tend(self, now: float) -> None:
        if now < self._due:
            return
        self._due = now + self._interval_s
        for line in self._new_lines():
            with contextlib.suppress(*UNDECODABLE):
                told = msgspec.json.decode(line, type=Told)
                if told.kind in SAID:
                    self._say(f"{told.at} {message(told.member, told.kind, told.data)}")

    def _path(self) -> str:
        return os.path.join(self._folder, segment_name(self._number))

    def _new_lines(self) -> list[bytes]:
        try:
            with open(self._path(), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset:  # it was replaced: from its end
                    self._offset = size
                data = os.pread(file.fileno(), READ_BYTES, self._offset)
        except FileNotFoundError:
            return []
        whole, newline, _ = data.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        if not newline and os.path.exists(os.path.join(self._folder, segment_name(self._number + 1))):
            self._number, self._offset = self._number + 1, 0
        return whole.split(b"\n") if newline else []

    def _say(self, text: str) -> None:
        if self._dropped and self._write(f"{self._dropped} lines were not taken by the reader of this output"):
            self._dropped = 0
        if not self._write(text):
            self._dropped += 1

    def _write(self, text: str) -> bool:
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        poll = select.poll()
        poll.register(OUTPUT, select.POLLOUT)
        if not any(event & select.POLLOUT for _, event in poll.poll(0)):
            return False
        try:
            os.write(OUTPUT, shown.encode(errors="replace")[:LINE_BYTES] + b"\n")
        except OSError:  # a closed pipe, a full disk
            return False
        return True
