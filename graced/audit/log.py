"""How a member appends to the audit log. It never blocks: what cannot be written now waits in memory.

A record is acknowledged once write(2) has taken it whole; kill -9 of anybody cannot take it back then. A power loss can
take the last second: the writer never syncs, as that would be done under the lock; a worker does (`sync_target`).

The lock is taken anew for each flush and let go by closing it, so no forked child can hold it. Whoever has it knows the
end of the chain: from its last flush when the file has not changed, else by reading the last line.
"""

import contextlib
import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from graced.audit import tail
from graced.audit.head import Head, kept_head
from graced.audit.lately import Line, lately
from graced.audit.layout import LOCK_NAME, NOT_REGULAR, SEGMENT_MAX_BYTES, open_segment, segment_name, segments
from graced.audit.record import GENESIS, NAME_MAX, encode_data, seal
from graced.home.locks import LockRecord, RestartLock, holder, take_now
from graced.posix.clock import wall_iso
from graced.posix.proc import me

QUEUE_MAX: Final = 1024
"""Records that wait in memory. A heartbeat of the busiest recovery makes some twenty."""
QUEUE_MAX_BYTES: Final = 2 * 1024 * 1024
"""Their data in all; the oldest go first, counted into a summary record."""

FINDINGS_MAX: Final = 16
"""Findings kept until the caller takes them."""

REPORTS_MAX: Final = 64
"""Reports of losses that a process remembers to have seen."""

_OPEN: Final = os.O_RDWR | os.O_APPEND


class Entry(msgspec.Struct, frozen=True):
    """A record that has no place in the chain yet."""

    at: str
    kind: str
    data: str  # canonical JSON


class Dropped(msgspec.Struct):
    """The records that were dropped since the last summary of them, because too many waited."""

    count: int = 0
    first_at: str = ""
    last_at: str = ""
    kinds: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        self.first_at = self.first_at or entry.at
        self.last_at = entry.at
        self.count += 1
        self.kinds[entry.kind] = self.kinds.get(entry.kind, 0) + 1


class AuditLog:
    """One member's end of the audit log in `folder`. For one thread; `clock` gives seconds since 1970.

    `degraded`: the log could not be written at the last try, or records were lost to overflow; `reason` says why. A
    lock that another holds is no trouble, only `pending` grows: `holder` says whose it is.
    `findings`: sentences about a broken log, each reported once, to be taken away and escalated by the caller.
    """

    def __init__(
        self, folder: str, member: str, pid: int, incarnation: int, clock: Callable[[], float] = time.time
    ) -> None:
        if not 0 < len(member) <= NAME_MAX:
            raise ValueError(f"a member's name has 1 to {NAME_MAX} characters")
        self.folder = folder
        self.deferred = False  # records wait for `flush`, so that one turn of a loop makes one write
        self.findings: list[str] = []
        self.told: Callable[[str, Mapping[str, Any]], None] | None = None  # hears of each record, for the journal
        self.reason = ""
        self._member, self._pid, self._incarnation, self._clock = member, pid, incarnation, clock
        self._lock_path = os.path.join(folder, LOCK_NAME)
        self._lock_record: LockRecord | None = None
        self._queue: deque[Entry] = deque()
        self._queue_bytes = 0
        self._first: deque[Entry] = deque(maxlen=FINDINGS_MAX)  # what the log says of itself goes before the rest
        self._dropped = Dropped()
        self._since = ""  # when trouble began, "" without
        self._number = 0  # segment of the last record; 0: nothing known yet
        self._seen = (0, 0)  # its inode and size after our last write
        self._seq, self._head = 0, GENESIS
        self._reports: dict[str, None] = {}  # hashes of `audit.broken` records, in the order in which they were seen
        self._fresh = True  # nothing is known yet but what an earlier process kept
        self._unsynced: set[str] = set()

    # --- what is known

    @property
    def degraded(self) -> bool:
        return bool(self._since)

    @property
    def pending(self) -> int:
        """Records not acknowledged yet."""
        return len(self._queue)

    @property
    def records(self) -> int:
        """seq of the last record that this process knows of."""
        return self._seq

    @property
    def head(self) -> str:
        """The hash of the last record that this process knows of."""
        return self._head

    @property
    def dirty(self) -> bool:
        """Whether something was written that no worker has been given to sync."""
        return bool(self._unsynced)

    def sync_target(self) -> list[str]:
        """Paths to be synced (fdatasync; fsync for a folder) by a worker, at most once a second. Clears `dirty`."""
        paths, self._unsynced = sorted(self._unsynced), set()
        return paths

    def sync_head(self) -> Head | None:
        """The head that is on disk once what `sync_target` gave is synced: to be kept by the worker (`keep_head`)."""
        return Head(self._seq, self._head, next(reversed(self._reports), "")) if self._seq else None

    def holder(self) -> LockRecord | None:
        """The process that wrote itself into the lock of the log: a member whose records stay pending asks whether that
        process is stopped. One that was killed while it held the lock is named until the next one takes it."""
        return holder(self._lock_path)

    def lately(self, kinds: tuple[str, ...], left: int) -> Iterator[Line]:
        """Records of these kinds, whoever wrote them, in the last `left` bytes of the log, last first."""
        return lately(self.folder, kinds, left)

    # --- appending

    def append(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Queues a record stamped now and tries to write; True when everything is acknowledged.

        ValueError on a kind or keys that `kinds` does not have; anything the disk says is kept for the next `flush`.
        """
        entry = Entry(wall_iso(self._clock()), kind, encode_data(kind, data))
        if self.told is not None:
            self.told(kind, data)
        self._queue.append(entry)
        self._queue_bytes += len(entry.data)
        while len(self._queue) > QUEUE_MAX or (self._queue_bytes > QUEUE_MAX_BYTES and len(self._queue) > 1):
            oldest = self._queue.popleft()
            self._queue_bytes -= len(oldest.data)
            self._dropped.add(oldest)
            self._troubled("more records than fit in memory")
        return False if self.deferred else self.flush()

    def flush(self) -> bool:
        """Writes what is queued unless another member is at it this moment. Never blocks; True when nothing is left."""
        if not self._queue:
            return True
        try:
            lock = self._take()
        except OSError as error:
            self._troubled(_why(error))
            return False
        if lock is None:
            return False
        try:
            self._write()
        except OSError as error:
            self._troubled(_why(error))
            return False
        finally:
            with contextlib.suppress(OSError):  # it blanks its record first, which a full disk may refuse
                lock.close()
        self._since = self.reason = ""
        return True

    def _take(self) -> RestartLock | None:
        if self._lock_record is None:
            self._lock_record = LockRecord.of(me(), self._incarnation)
        try:
            return take_now(self._lock_path, self._lock_record)
        except FileNotFoundError:
            os.mkdir(self.folder, 0o700)
            return take_now(self._lock_path, self._lock_record)

    def _troubled(self, reason: str) -> None:
        self.reason = reason
        self._since = self._since or wall_iso(self._clock())

    # --- under the lock

    def _write(self) -> None:
        fd = self._open_end()
        try:
            self._put(fd)
        finally:
            os.close(fd)

    def _open_end(self) -> int:
        """A descriptor of the segment to append to, with the end of the chain known. Raises OSError."""
        if self._number:
            try:
                fd = open_segment(self.folder, self._number, _OPEN)
            except OSError as error:
                if error.errno != errno.ENOENT and error.strerror != NOT_REGULAR:
                    raise
                return self._find_end()
            stat = os.fstat(fd)
            if (stat.st_ino, stat.st_size) == self._seen and stat.st_size < SEGMENT_MAX_BYTES:
                return fd
            os.close(fd)
        return self._find_end()

    def _find_end(self) -> int:
        numbers = segments(self.folder)
        self._number = 0  # nothing is known until all of this has worked
        known = self._known()
        end = tail.find(self.folder, numbers, known)
        if end.lost:
            self._found("", f"{end.lost} {'before graced began' if self._fresh else 'while graced ran'}")
        for file, why in end.broken:
            self._found(file, f"{why}; the chain goes on after record {end.seq}")
        for file, offset, size in end.torn:
            self._first.append(self._entry("audit.torn", {"file": file, "offset": offset, "size_bytes": size}))
        number = end.number
        if not number or end.size >= SEGMENT_MAX_BYTES:
            number = max(numbers, default=0) + 1
            fd = os.open(self._path(number), _OPEN | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o600)
            self._unsynced.add(self.folder)
        else:
            fd = open_segment(self.folder, number, _OPEN)
            if end.unended:  # what stands there is evidence, and one line
                os.write(fd, b"\n")
        for report in sorted(end.reports - self._reports.keys()):
            self._note_report(report)
        self._seq, self._head, self._number, self._fresh = end.seq, end.head, number, False
        return fd

    def _known(self) -> tail.Known:
        """The last record of ours; before the first one, what an earlier process kept."""
        if self._fresh:
            kept = kept_head(self.folder)
            if kept is None:
                return tail.Known()
            return tail.Known(kept.seq, kept.head, frozenset((kept.report,)) if kept.report else frozenset())
        return tail.Known(self._seq, self._head, frozenset(self._reports))

    def _note_report(self, report: str) -> None:
        self._reports[report] = None
        while len(self._reports) > REPORTS_MAX:
            del self._reports[next(iter(self._reports))]

    def _found(self, file: str, why: str) -> None:
        self._first.append(self._entry("audit.broken", {"file": file, "why": why}))
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(f"audit/{file}: {why}" if file else why)

    def _put(self, fd: int) -> None:
        """Appends all that waits by one write(2), as far as it takes it; what is whole is acknowledged."""
        stat = os.fstat(fd)
        summary = [self._summary()] if self._since else []
        entries = [*summary, *self._first, *self._queue]
        seq, head, done, size = self._seq, self._head, 0, 0
        lines: list[bytes] = []
        hashes: list[str] = []
        for entry in entries:
            seq += 1
            line, head = seal(seq, entry.at, self._member, self._pid, self._incarnation, entry.kind, entry.data, head)
            lines.append(line)
            hashes.append(head)
        written, error = _write_all(fd, b"".join(lines))
        while done < len(lines) and size + len(lines[done]) <= written:
            size += len(lines[done])
            done += 1
        if done:
            self._seq, self._head = self._seq + done, hashes[done - 1]
            self._unsynced.add(self._path(self._number))
        for entry, report in zip(entries[:done], hashes, strict=False):
            if entry.kind == "audit.broken":
                self._note_report(report)
        self._acknowledge(done, len(summary))
        self._seen = (stat.st_ino, stat.st_size + size)
        if size < written:
            try:
                os.ftruncate(fd, stat.st_size + size)  # half a record of our own, which still waits in the queue
            except OSError:
                self._number = 0  # the next holder of the lock finds it torn
        if error is not None:
            raise error

    def _acknowledge(self, done: int, summaries: int) -> None:
        if summaries and done:
            self._dropped = Dropped()
            done -= 1
        while done and self._first:
            self._first.popleft()
            done -= 1
        for _ in range(done):
            self._queue_bytes -= len(self._queue.popleft().data)

    def _summary(self) -> Entry:
        lost = self._dropped
        data = {"reason": self.reason, "since": self._since, "dropped": lost.count, "kinds": lost.kinds}
        span = {"first_at": lost.first_at, "last_at": lost.last_at} if lost.count else {}
        return self._entry("audit.summary", data | span)

    def _entry(self, kind: str, data: Mapping[str, Any]) -> Entry:
        return Entry(wall_iso(self._clock()), kind, encode_data(kind, data))

    def _path(self, number: int) -> str:
        return os.path.join(self.folder, segment_name(number))


def _write_all(fd: int, data: bytes) -> tuple[int, OSError | None]:
    """How many bytes were written, and what stopped it. One write(2) unless it comes up short."""
    written = 0
    while written < len(data):
        try:
            taken = os.write(fd, data[written:] if written else data)
        except OSError as error:
            return written, error
        if taken == 0:
            return written, OSError(errno.EIO, "write(2) took nothing")
        written += taken
    return written, None


def _why(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror or error}"
