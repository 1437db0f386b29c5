"""What a repair must not do: change the meaning of code that is none of its business.

Lines that the repair did not touch are compared in the new file with what they meant in the old one: every stretch of
whole statements at column 0 that parses by itself must be the same trees, at the same place, afterwards. The statement
that an edit is in, and NEIGHBOURS lines around it, are its neighbourhood, where anything may change.
"""

import ast
import io
import warnings
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

NEIGHBOURS: Final = 3
"""Unchanged lines beside an edit that still are its neighbourhood."""
FINE_LINES: Final = 4000
"""Changed spans up to this many lines are compared line by line; a longer one is one edit."""
TRIES: Final = 40
"""Places at which a stretch may begin to parse, before it is passed over."""

_INSIDE: Final = frozenset([" ", "\t", "\n", "#", ")", "]", "}", ""])
"""First characters of lines that begin no statement at column 0."""


def meddles(old: bytes, new: bytes) -> str | None:
    """Why the repair is refused, in a line; None when all that parsed before and was not touched means the same."""
    before, after = lines_of_text(old), lines_of_text(new)
    if before is None or after is None:
        return None
    tree = parsed("".join(after))
    if tree is None:  # compiled by another Python than ours: there is nothing to compare with
        return None
    by_line = {node.lineno: node for node in tree.body}
    for old_start, old_end, shift in _untouched(before, after):
        found = _stretch(before, old_start, old_end)
        if found is None:
            continue
        first, nodes = found
        for node in nodes:
            line = first + node.lineno + shift
            if not _same(by_line.get(line), node):
                return f"it would change what line {line} and those below it mean, which were not broken"
    return None


def _same(twin: ast.stmt | None, node: ast.stmt) -> bool:
    try:
        return twin is not None and ast.dump(twin) == ast.dump(node)
    except RecursionError:  # too deep to be told apart: both compile, and their lines are equal
        return twin is not None


def changed_places(old: bytes, new: bytes) -> int:
    """How many separate places differ, in lines."""
    before, after = lines_of_text(old) or [], lines_of_text(new) or []
    return sum(1 for tag, *_ in opcodes(before, after) if tag != "equal")


def lines_of_text(data: bytes) -> list[str] | None:
    """Decoded as Python would, or leniently; newlines are all the same."""
    import tokenize

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        text = data.decode("utf-8", "replace")
    if "\0" in text and text.count("\0") * 4 > len(text):  # UTF-16: no lines to compare
        return None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.splitlines(keepends=True) if "\f" not in text and "\x0b" not in text else _split(text)


def _split(text: str) -> list[str]:
    """At newlines alone: a form feed ends no line for Python."""
    return [line + "\n" for line in text.split("\n")]


def opcodes(before: list[str], after: list[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """As SequenceMatcher has them, in bounded time."""
    head = 0
    most = min(len(before), len(after))
    while head < most and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < most - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old_end, new_end = len(before) - tail, len(after) - tail
    if head:
        yield "equal", 0, head, 0, head
    if max(old_end, new_end) - head > FINE_LINES:
        yield "replace", head, old_end, head, new_end
    else:
        matcher = SequenceMatcher(None, before[head:old_end], after[head:new_end], autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            yield tag, head + i1, head + i2, head + j1, head + j2
    if tail:
        yield "equal", old_end, len(before), new_end, len(after)


def _untouched(before: list[str], after: list[str]) -> Iterator[tuple[int, int, int]]:
    """(start, end, shift) of equal stretches without the neighbourhoods of edits; lines count from 0."""
    for tag, i1, i2, j1, _ in opcodes(before, after):
        if tag == "equal":
            start = i1 + NEIGHBOURS if i1 else 0
            end = i2 - NEIGHBOURS if i2 < len(before) else i2
            if end > start:
                yield start, end, j1 - i1


def _stretch(lines: list[str], start: int, end: int) -> tuple[int, list[ast.stmt]] | None:
    """Whole statements at column 0 within these lines that parse by themselves: (line before the first, trees).

    The first may stand in what an edit belongs to (a string's inside, a clause): tried from one line at column 0 to
    the next. The last statement is dropped where the file goes on: it may not end here.
    """
    starts = [i for i in range(start, end) if lines[i][:1] not in _INSIDE]
    last = starts[-1] if starts and end < len(lines) else end
    for first in starts[:TRIES]:
        if first >= last:
            return None
        tree = parsed("".join(lines[first:last]))
        if tree is not None:
            return first, tree.body if start == 0 else tree.body[1:]  # decorators of the first may stand above
    return None


def parsed(text: str | bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
