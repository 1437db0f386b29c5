"""How anyone reads the audit log, also while members append to it: the last records, all records, and is it whole.

Nothing here locks or changes anything, and a log of any length takes the memory of one record (`tail`: of what it
gives).
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from graced.audit.head import kept_head
from graced.audit.layout import (
    NOT_REGULAR,
    ODD_LINES_MAX,
    TORN_PREFIX,
    last_lines,
    open_segment,
    segment_name,
    segments,
    span,
)
from graced.audit.record import GENESIS, RECORD_MAX_BYTES, Broken, check, parse, torn

LOOKS: Final = 4
"""How often a broken line is read again, as a torn tail may be set aside while we read it."""
LOOK_WAIT_S: Final = 0.005

WHY_CHARS: Final = 300
"""Of a report in the log, told again by `verify`."""

TORN_TOLD_MAX: Final = 20
"""Torn tails that are noted one by one."""


class Breach(NamedTuple):
    """The first record that is not as written. `line` counts from 1 (0: the whole file), `seq` is the one due."""

    file: str
    line: int
    seq: int
    why: str


class Verdict(msgspec.Struct, frozen=True):
    """What `verify` found: `records` whole ones up to the breach or the end, `head` the hash of the last of them."""

    ok: bool
    records: int
    head: str
    broken: Breach | None
    notes: list[str]


class Anchor(NamedTuple):
    """A record that the log must have, and who says so."""

    seq: int
    head: str
    by: str


class _Place(NamedTuple):
    """How far the chain was followed within one segment."""

    offset: int
    line: int
    seq: int
    prev: str


def verify(folder: str, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Follows the chain from its first record to where it ends now. Raises OSError when a file may not be read.

    Found are: a missing segment or one that is no regular file, a gap or repetition in seq, a prev or hash that does
    not fit, every line that is not exactly a record (`record.parse`), records that graced itself reported as taken
    out, and a log that lacks the record of an anchor or of the head kept beside it (`head`). An unfinished last line
    and torn tails set aside are noted: no breach. Who cuts the log and takes the kept head away too is found out by an
    anchor outside.
    """
    notes = _torn_notes(folder)
    numbers = segments(folder)
    wanted = _Wanted(folder, anchors)
    if not numbers:
        missing = wanted.missing(0, segment_name(1))
        return Verdict(missing is None, 0, GENESIS, missing, ["no audit log yet", *notes])
    last = numbers[-1]
    end = os.lstat(os.path.join(folder, segment_name(last))).st_size  # those who write on must not keep us for ever
    place = _Place(0, 0, 1, GENESIS)
    for number in range(1, last + 1):
        place, broken, unfinished = _follow(
            folder, number, place._replace(offset=0, line=0), end if number == last else None, wanted
        )
        if broken is not None:
            return Verdict(False, place.seq - 1, place.prev, broken, notes)
        if unfinished:
            notes.append(
                f"{segment_name(number)}: the last line is unfinished ({unfinished} bytes): "
                "it is being written, or was torn by a crash and will be set aside"
            )
    broken = wanted.broken or wanted.missing(place.seq - 1, segment_name(last))
    return Verdict(broken is None, place.seq - 1, place.prev, broken, notes)


class _Wanted:
    """What the records must show beside their chain. `broken`: the first that does not, or that tells of a loss."""

    def __init__(self, folder: str, anchors: Iterable[Anchor]) -> None:
        kept = kept_head(folder)
        own = [Anchor(kept.seq, kept.head, "the head kept beside the log")] if kept is not None else []
        self._left: dict[int, list[Anchor]] = {}
        for anchor in (*anchors, *own):
            self._left.setdefault(anchor.seq, []).append(anchor)
        self.broken: Breach | None = None

    def see(self, record: dict[str, Any], name: str, line: int) -> None:
        for anchor in self._left.pop(record["seq"], ()):
            if anchor.head != record["hash"]:
                self._tell(Breach(name, line, record["seq"], f"it is not the record that {anchor.by} tells of"))
        if record["kind"] == "audit.broken":
            why = str(record["data"].get("why", ""))[:WHY_CHARS]
            self._tell(Breach(name, line, record["seq"], f"graced found then: {why}"))

    def missing(self, seq: int, name: str) -> Breach | None:
        """The log ends at `seq`: what it should have behind that."""
        late = min((anchor for held in self._left.values() for anchor in held), default=None)
        if late is None or late.seq <= seq:
            return None
        why = f"the log ends at record {seq}, and {late.by} tells of record {late.seq}"
        return Breach(name, 0, seq + 1, why)

    def _tell(self, breach: Breach) -> None:
        self.broken = self.broken or breach


def _follow(
    folder: str, number: int, place: _Place, end: int | None, wanted: _Wanted
) -> tuple[_Place, Breach | None, int]:
    """Checks a segment from `place` to `end` (None: others follow it, so it is complete).

    How far it got, the breach, and the bytes of an unfinished last line. What is broken is looked at again.
    """
    name = segment_name(number)
    looks = 0
    while True:
        try:
            file = os.fdopen(open_segment(folder, number), "rb")
        except FileNotFoundError:
            return place, Breach(name, 0, place.seq, "the file is missing"), 0
        except OSError as error:
            if error.strerror != NOT_REGULAR:
                raise
            return place, Breach(name, 0, place.seq, NOT_REGULAR), 0
        with file:
            reached, why, unfinished = _walk(file, place, end, lambda record, line: wanted.see(record, name, line))
        if unfinished and end is None:
            why = "the line is unfinished, and a later segment follows"
        if why is None:
            return reached, None, unfinished
        looks = 1 if reached.offset > place.offset else looks + 1
        place = reached
        if looks >= LOOKS:
            return place, Breach(name, place.line + 1, place.seq, why), 0
        time.sleep(LOOK_WAIT_S)


def _walk(
    file: BinaryIO, place: _Place, end: int | None, see: Callable[[dict[str, Any], int], None]
) -> tuple[_Place, str | None, int]:
    """Checks each line that begins before `end`.

    How far it got, why it went no further, the bytes of an unfinished last line.
    """
    offset, line, seq, prev = place
    file.seek(offset)
    while (end is None or offset < end) and (text := file.readline(RECORD_MAX_BYTES + 1)):
        if not text.endswith(b"\n") and len(text) <= RECORD_MAX_BYTES:
            why = _not_torn(text)
            return _Place(offset, line, seq, prev), why, 0 if why else len(text)
        try:
            record = check(text if text.endswith(b"\n") else text + b"\n", seq, prev)
        except Broken as error:
            return _Place(offset, line, seq, prev), str(error), 0
        see(record, line + 1)
        offset, line, seq, prev = offset + len(text), line + 1, seq + 1, record["hash"]
    return _Place(offset, line, seq, prev), None, 0


def _not_torn(text: bytes) -> str | None:
    """Why an unfinished line is no torn record: something stands behind the record in it."""
    if torn(text):
        return None
    return "newlines were changed or taken out: the last line is more than one record"


def _torn_notes(folder: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(TORN_PREFIX))
    except FileNotFoundError:
        return []
    notes = []
    for name in names[:TORN_TOLD_MAX]:
        size = os.stat(os.path.join(folder, name)).st_size
        notes.append(f"{name}: a line torn by a crash was set aside ({size} bytes)")
    if len(names) > TORN_TOLD_MAX:
        notes.append(f"and {len(names) - TORN_TOLD_MAX} more torn lines")
    return notes


# --- reading, whether the log is whole or not


def tail(folder: str, n: int) -> list[dict[str, Any]]:
    """The last `n` records, oldest first; what is no JSON object is passed over. Raises OSError."""
    found: list[dict[str, Any]] = []
    odd = 0
    for _, line in last_lines(folder) if n > 0 else ():
        record = _read(line)
        if record is not None:
            found.append(record)
        else:
            odd += 1
        if len(found) == n or odd > ODD_LINES_MAX:
            break
    return found[::-1]


def head(folder: str) -> tuple[int, str]:
    """seq and hash of the last whole record, (0, GENESIS) when there is none: what `status` shows. Raises OSError."""
    for _, line in islice(last_lines(folder), ODD_LINES_MAX):
        try:
            record = parse(line + b"\n")
        except Broken:
            continue
        return record["seq"], record["hash"]
    return 0, GENESIS


def records(folder: str, start: int = 1) -> Iterator[dict[str, Any]]:
    """Every record whose seq is `start` or more, in order; what is no JSON object is passed over. Raises OSError.

    It ends where the log ends when it gets to its last segment. Segments that end before `start` are not read.
    """
    numbers = segments(folder)
    while len(numbers) > 1 and _first_seq(folder, numbers[1]) <= start:
        del numbers[0]
    for number in numbers:
        with os.fdopen(open_segment(folder, number), "rb") as file:
            end = span(file.fileno())
            while file.tell() < end and (line := file.readline(RECORD_MAX_BYTES + 1)):
                if not line.endswith(b"\n") and len(line) > RECORD_MAX_BYTES:
                    _skip_line(file)
                    continue
                record = _read(line) if line.endswith(b"\n") else None
                if record is not None and isinstance(record.get("seq"), int) and record["seq"] >= start:
                    yield record


def _first_seq(folder: str, number: int) -> int:
    """seq of a segment's first line; when that is no record, a number so large that nothing is passed over for it."""
    with os.fdopen(open_segment(folder, number), "rb") as file:
        record = _read(file.readline(RECORD_MAX_BYTES + 1))
    seq = record.get("seq") if record is not None else None
    return seq if isinstance(seq, int) else 2**63


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(RECORD_MAX_BYTES)) and not rest.endswith(b"\n"):
        pass


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
