"""Merge conflicts left in a file: one side, the other, or both are kept, and the markers go."""

import re
import symtable
from collections.abc import Iterator

from graced.repair.edits import Candidate, Edit
from graced.repair.score import BUILTINS

_MARKER = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?=[ \t\r\n]|\Z)[^\r\n]*(?:\r\n|[\r\n]|\Z)", re.MULTILINE)
MAX_CONFLICTS = 200


def candidates(text: str) -> Iterator[Candidate]:
    """Ways to resolve all conflicts of `text` at once; nothing if it has no whole one."""
    if "<<<<<<<" not in text or ">>>>>>>" not in text:
        return
    found = list(_conflicts(text))
    if not found or len(found) > MAX_CONFLICTS:
        return
    same = all(ours == theirs for ours, theirs in ((text[c[1] : c[2]], text[c[3] : c[4]]) for c in found))
    for cost, rule in enumerate(("ours", "theirs", "both")):
        edits: list[Edit] = []
        for start, ours, base, theirs, last, end in found:
            if rule == "ours":
                edits += ((start, ours, ""), (base, end, ""))
            elif rule == "theirs":
                edits += ((start, theirs, ""), (last, end, ""))
            else:
                edits += ((start, ours, ""), (base, theirs, ""), (last, end, ""))
        yield Candidate("conflict_same" if same else f"conflict_{rule}", 0.2 + 0.8 * cost, tuple(edits), 0.0)
        if same and rule == "ours":
            return


def _conflicts(text: str) -> Iterator[tuple[int, int, int, int, int, int]]:
    """(start, ours begins, ours ends, theirs begins, theirs ends, end) of each conflict, in order."""
    state = ""
    start = ours = base = theirs = 0
    for match in _MARKER.finditer(text):
        sign = match.group(1)[0]
        if sign == "<":
            state, start, ours = "<", match.start(), match.end()
        elif sign == "|" and state == "<":
            state, base = "|", match.start()
        elif sign == "=" and state in ("<", "|"):
            if state == "<":
                base = match.start()
            state, theirs = "=", match.end()
        elif sign == ">" and state == "=":
            yield start, ours, base, theirs, match.start(), match.end()
            state = ""


def undefined_names(text: str) -> int:
    """How many names of a text that compiles nobody defines, scope by scope (the builtins left out)."""
    table = symtable.symtable(text, "<file>", "exec")
    known = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    missing: set[str] = set()
    todo = [table]
    while todo:
        scope = todo.pop()
        todo += scope.get_children()
        for symbol in scope.get_symbols():
            if symbol.is_global() and symbol.is_assigned():
                known.add(symbol.get_name())
            elif (symbol.is_global() and symbol.is_referenced()) or (scope is table and not symbol.is_assigned()):
                missing.add(symbol.get_name())
    return len(missing - known - BUILTINS)
