"""What an answer from outside must spare: every statement of the file that was whole, and is not at the error.

The gate of `graced.mending.gates` takes each difference for an edit, which suits an engine that makes small ones.
Whoever writes a whole file anew may change anything anywhere: here what the old one holds is looked for in the new one.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from graced.mending.gates import lines_of_text, parsed

JOINED: Final = 40
"""Pieces that one statement may be in: a string with lines at its level, a `try` and its clauses."""
PARSES: Final = 4000
"""Of pieces, in one file; what is left then is passed over."""
_CLAUSE: Final = re.compile(r"(?:else|elif|except|finally|case)\b")
_OWN: Final = re.compile(r"(?:@|def\b|class\b|async\b)")
"""What begins a statement that surely does not belong to the one above."""
_LINE: Final = re.compile(r"\(line (\d+)\)")


class _Piece(NamedTuple):
    """Lines from `start` (counted from 0) to `end`; `nodes` empty where they do not parse."""

    start: int
    end: int
    nodes: list[ast.stmt]

    def holds(self, line: int) -> bool:
        return self.start <= line < self.end


def harm(old: bytes, new: bytes, error: str) -> str | None:
    """What of `old` is gone in `new` though it was not broken, in a line; None when nothing is. `error`: of `old`."""
    before, after = lines_of_text(old), lines_of_text(new)
    tree = parsed("".join(after)) if after is not None else None
    if before is None or tree is None:
        return None
    said = _LINE.search(error)
    at = int(said[1]) - 1 if said else -1
    budget = [PARSES]
    left = Counter(map(_dump, tree.body))
    methods = Counter(_dump(node) for each in ast.walk(tree) if isinstance(each, ast.ClassDef) for node in each.body)
    pieces = list(_pieces(before, 0, len(before), "", budget))
    for piece, below in zip(pieces, [*pieces[1:], None], strict=True):
        if piece.nodes:
            lost = _lost(before, piece, below, left, at)
        elif re.match(r"class\b", before[piece.start]):
            lost = _lost_methods(before, piece, methods, at, budget)
        else:
            lost = None
        if lost is not None:
            return f"it would change what stands at line {lost + 1}, which was not broken"
    return None


def _lost_methods(before: list[str], broken: _Piece, methods: "Counter[str]", at: int, budget: list[int]) -> int | None:
    body = range(broken.start + 1, broken.end)
    indent = next((_indent(before[i]) for i in body if before[i].strip() and before[i].strip()[0] != "#"), "")
    inside = list(_pieces(before, broken.start + 1, broken.end, indent, budget)) if indent else []
    for piece, below in zip(inside, [*inside[1:], None], strict=True):
        if piece.nodes and isinstance(piece.nodes[-1], (ast.FunctionDef, ast.AsyncFunctionDef)):
            lost = _lost(before, piece, below, methods, at)
            if lost is not None:
                return lost
    return None


def _lost(before: list[str], piece: _Piece, below: _Piece | None, left: "Counter[str]", at: int) -> int | None:
    """The piece's first line, if it is not among those that are left, and is not where the error is."""
    names = [_dump(node) for node in piece.nodes]
    if all(left[name] > 0 for name in names):
        left.subtract(names)
        return None
    if piece.holds(at):
        return None
    if below is not None and (not below.nodes or below.holds(at)) and not _OWN.match(before[below.start].lstrip()):
        return None  # it may go on in there
    return piece.start


def _pieces(lines: list[str], start: int, end: int, indent: str, budget: list[int]) -> Iterator[_Piece]:
    """From one line at this indentation to the next, joined where only that parses."""
    marks = [i for i in range(start, end) if _begins(lines[i], indent)]
    at = 0
    while at < len(marks):
        for last in range(at + 1, min(len(marks), at + JOINED) + 1):
            stop = marks[last] if last < len(marks) else end
            budget[0] -= 1
            if budget[0] < 0:
                return
            nodes = _parsed("".join(lines[marks[at] : stop]), indent)
            if nodes:
                yield _Piece(marks[at], stop, nodes)
                at = last
                break
        else:
            yield _Piece(marks[at], marks[at + 1] if at + 1 < len(marks) else end, [])
            at += 1


def _parsed(text: str, indent: str) -> list[ast.stmt]:
    tree = parsed(f"if 1:\n{text}" if indent else text)
    if tree is None or not tree.body:
        return []
    first = tree.body[0]
    return first.body if indent and isinstance(first, ast.If) else tree.body


def _begins(line: str, indent: str) -> bool:
    rest = line.removeprefix(indent)
    return line.startswith(indent) and rest[:1] not in " \t\r\n#)]}" and bool(rest) and not _CLAUSE.match(rest)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _dump(node: ast.stmt) -> str:
    try:
        return ast.dump(node)
    except RecursionError:  # too deep to be told apart
        return type(node).__name__
