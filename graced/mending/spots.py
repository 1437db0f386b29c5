"""Where in a file the interpreter stumbled: line and columns of each error, for a person to look at."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from graced.mending.gates import opcodes
from graced.mending.lines import Lines, Unfit, lines_of
from graced.repair.check import Fault, fault_of, is_tame

_ERROR: Final = re.compile(r"(?P<kind>\w+): (?P<message>.*?)(?: \(line (?P<line>\d+)\))?$", re.S)
EMPTY: Final = ""
HUNKS_MAX: Final = 50
"""Changes that are made one by one to find what is behind them."""


class Spot(Struct, frozen=True):
    """Lines and columns count from 1, columns in characters; `end_column` is behind the last. `text`: the line."""

    line: int
    column: int
    end_column: int
    kind: str
    message: str
    text: str = ""


def spots(source: bytes, errors: Sequence[str], after: bytes | None) -> tuple[Spot, ...]:
    """One for each error. The interpreter stops at the first: the others come to light as the changes of the repair are
    made one after the other, and are told where they stand in the file as it is.

    An error that this Python does not see (another's, a byte of a comment) is told by its words.
    """
    lines = lines_of(source)
    first = fault_of(source) if errors and is_tame(source) else None
    if first is None or str(first) != errors[0]:
        changes = _changes(lines, after) if after is not None else {}
        return tuple(_of_words(error, lines, changes) for error in errors)
    found = [_of_fault(first, lines, 0)]
    if after is not None:
        found += _behind(lines, after, found[0])
    return tuple(found)


def _behind(lines: Lines, after: bytes, last: Spot) -> list[Spot]:
    """The errors behind the first, each where it stands in the file."""
    new = lines_of(after).texts
    hunks = [code[1:] for code in opcodes(lines.texts, new) if code[0] != "equal"][:HUNKS_MAX]
    found: list[Spot] = []
    plan: list[int | str] = []
    end = shift = 0
    for i1, i2, j1, j2 in hunks:
        plan += [*range(end, i1), *new[j1:j2]]
        end = i2
        shift += (i2 - i1) - (j2 - j1)
        try:
            fault = fault_of(lines.woven([*plan, *range(end, len(lines.texts))]))
        except (Unfit, UnicodeError):
            break
        if fault is None:
            break
        spot = _of_fault(fault, lines, shift)
        if spot.line > end and (spot.line, spot.message) != (last.line, last.message):
            found.append(spot)
            last = spot
    return found


def _of_fault(fault: Fault, lines: Lines, shift: int) -> Spot:
    """`shift`: lines that the changes made so far have taken away."""
    line = fault.line + shift
    text = _line(lines, line)
    start = min(fault.column, len(text))
    end = fault.end_column if fault.end_line == fault.line else len(text)
    return Spot(line, start + 1, max(start + 1, min(end, len(text))) + 1, fault.kind, fault.message, text)


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
