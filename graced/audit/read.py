"""How anyone reads the audit log, also while members append to it: the last records, all records, and is it whole.

Nothing here locks or changes anything, and a log of any length takes the memory of one record (`tail`: of what it
gives).
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from graced.audit.layout import TORN_PREFIX, last_lines, segment_name, segments
from graced.audit.record import GENESIS, RECORD_MAX_BYTES, Broken, check, parse

LOOKS: Final = 4
"""How often a broken line is read again, as a torn tail may be set aside while we read it."""
LOOK_WAIT_S: Final = 0.005

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


class _Place(NamedTuple):
    """How far the chain was followed within one segment."""

    offset: int
    line: int
    seq: int
    prev: str


def verify(folder: str) -> Verdict:
    """Follows the chain from its first record to where it ends now. Raises OSError when a file may not be read.

    Found are: a missing segment, a gap or repetition in seq, a prev or hash that does not fit, and every line that is
    not exactly a record (`record.parse`). An unfinished last line and torn tails set aside are noted: no breach.
    Not found: whole records cut off the end, as a shorter log is a log too; who must know keeps `head` elsewhere.
    """
    notes = _torn_notes(folder)
    numbers = segments(folder)
    if not numbers:
        return Verdict(True, 0, GENESIS, None, ["no audit log yet", *notes])
    last = numbers[-1]
    end = os.stat(os.path.join(folder, segment_name(last))).st_size  # those who write on must not keep us for ever
    place = _Place(0, 0, 1, GENESIS)
    for number in range(1, last + 1):
        place, broken, unfinished = _follow(
            folder, number, place._replace(offset=0, line=0), end if number == last else None
        )
        if broken is not None:
            return Verdict(False, place.seq - 1, place.prev, broken, notes)
        if unfinished:
            notes.append(
                f"{segment_name(number)}: the last line is unfinished ({unfinished} bytes): "
                "it is being written, or was torn by a crash and will be set aside"
            )
    return Verdict(True, place.seq - 1, place.prev, None, notes)


def _follow(folder: str, number: int, place: _Place, end: int | None) -> tuple[_Place, Breach | None, int]:
    """Checks a segment from `place` to `end` (None: others follow it, so it is complete).

    How far it got, the breach, and the bytes of an unfinished last line. What is broken is looked at again.
    """
    name = segment_name(number)
    looks = 0
    while True:
        try:
            file = open(os.path.join(folder, name), "rb")  # noqa: SIM115
        except FileNotFoundError:
            return place, Breach(name, 0, place.seq, "the file is missing"), 0
        with file:
            reached, why, unfinished = _walk(file, place, end)
        if unfinished and end is None:
            why = "the line is unfinished, and a later segment follows"
        if why is None:
            return reached, None, unfinished
        looks = 1 if reached.offset > place.offset else looks + 1
        place = reached
        if looks >= LOOKS:
            return place, Breach(name, place.line + 1, place.seq, why), 0
        time.sleep(LOOK_WAIT_S)


def _walk(file: BinaryIO, place: _Place, end: int | None) -> tuple[_Place, str | None, int]:
    """Checks each line that begins before `end`.

    How far it got, why it went no further, the bytes of an unfinished last line.
    """
    offset, line, seq, prev = place
    file.seek(offset)
    while (end is None or offset < end) and (text := file.readline(RECORD_MAX_BYTES + 1)):
        if not text.endswith(b"\n") and len(text) <= RECORD_MAX_BYTES:
            why = _newline_changed(text)
            return _Place(offset, line, seq, prev), why, 0 if why else len(text)
        try:
            record = check(text if text.endswith(b"\n") else text + b"\n", seq, prev)
        except Broken as error:
            return _Place(offset, line, seq, prev), str(error), 0
        offset, line, seq, prev = offset + len(text), line + 1, seq + 1, record["hash"]
    return _Place(offset, line, seq, prev), None, 0


def _newline_changed(text: bytes) -> str | None:
    """A torn line is the beginning of a record; a whole record and one byte more is none that a crash leaves."""
    try:
        parse(text[:-1] + b"\n")
    except Broken:
        return None
    return "the newline at the end of the record was changed"


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
    for _, line in last_lines(folder) if n > 0 else ():
        record = _read(line)
        if record is not None:
            found.append(record)
        if len(found) == n:
            break
    return found[::-1]


def head(folder: str) -> tuple[int, str]:
    """seq and hash of the last whole record, (0, GENESIS) when there is none: what `status` shows. Raises OSError."""
    for _, line in last_lines(folder):
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
        with open(os.path.join(folder, segment_name(number)), "rb") as file:
            end = os.fstat(file.fileno()).st_size
            while file.tell() < end and (line := file.readline(RECORD_MAX_BYTES + 1)):
                if not line.endswith(b"\n") and len(line) > RECORD_MAX_BYTES:
                    _skip_line(file)
                    continue
                record = _read(line) if line.endswith(b"\n") else None
                if record is not None and isinstance(record.get("seq"), int) and record["seq"] >= start:
                    yield record


def _first_seq(folder: str, number: int) -> int:
    """seq of a segment's first line; when that is no record, a number so large that nothing is passed over for it."""
    with open(os.path.join(folder, segment_name(number)), "rb") as file:
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
