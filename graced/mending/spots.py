"""Where in a file the interpreter stumbled: line and columns of each error, for a person to look at."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from graced.mending.gates import opcodes
from graced.mending.lines import Lines, lines_of
from graced.repair.check import Fault, fault_of, is_tame

_ERROR: Final = re.compile(r"(?P<kind>\w+): (?P<message>.*?)(?: \(line (?P<line>\d+)\))?$", re.S)
EMPTY: Final = ""


class Spot(Struct, frozen=True):
    """Lines and columns count from 1, columns in characters; `end_column` is behind the last. `text`: the line."""

    line: int
    column: int
    end_column: int
    kind: str
    message: str
    text: str = ""


def spots(source: bytes, errors: Sequence[str], after: bytes | None) -> tuple[Spot, ...]:
    """One for each error. Only the first is of the file as it is: of the others, which came to light when that was
    mended, the line is the interpreter's, the column that of the change in the line."""
    lines = lines_of(source)
    first = fault_of(source) if errors and is_tame(source) else None
    changes = _changes(lines, after) if after is not None and len(errors) > (first is not None) else {}
    found = []
    for index, error in enumerate(errors):
        if index == 0 and first is not None and str(first) == error:
            found.append(_of_fault(first, lines))
        else:
            found.append(_of_words(error, lines, changes))
    return tuple(found)


def _of_fault(fault: Fault, lines: Lines) -> Spot:
    text = _line(lines, fault.line)
    start = min(fault.column, len(text))
    end = fault.end_column if fault.end_line == fault.line else len(text)
    return Spot(fault.line, start + 1, max(start + 1, min(end, len(text))) + 1, fault.kind, fault.message, text)


def _of_words(error: str, lines: Lines, changes: dict[int, int]) -> Spot:
    match = _ERROR.match(error)
    if match is None:
        return Spot(1, 1, 2, "Error", error, EMPTY)
    line = int(match["line"] or 1)
    text = _line(lines, line)
    column = changes.get(line, len(text) - len(text.lstrip()))
    return Spot(line, column + 1, column + 2, match["kind"], match["message"], text)


def _line(lines: Lines, number: int) -> str:
    return lines.texts[number - 1] if 0 < number <= len(lines.texts) else EMPTY


def _changes(lines: Lines, after: bytes) -> dict[int, int]:
    """For each changed line (from 1) the column (from 0) at which it begins to differ."""
    new = lines_of(after).texts
    found: dict[int, int] = {}
    for tag, old_start, old_end, start, end in opcodes(lines.texts, new):
        if tag == "equal":
            continue
        for at in range(old_start, old_end):
            twin = start + at - old_start
            found[at + 1] = _differs_at(lines.texts[at], new[twin] if twin < end else EMPTY)
    return found


def _differs_at(old: str, new: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
