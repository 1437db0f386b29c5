"""Laws: what a repair may do to a program only where a person says so, however sure it is.

`broken_law` compares the text that a search began with and the one it ended with, token by token and block by block.
What breaks a law is suggested, never applied. The names of the laws are features of the confidence, too.
"""

import re
from collections.abc import Sequence
from typing import Final

from graced.repair.edits import Candidate, applied
from graced.repair.laws.difference import changes
from graced.repair.laws.law import CONFLICT, MADE_UP, NAMES, SILENCING, SPELT, TORN, Law
from graced.repair.laws.of_blocks import does_nothing, of_annotations, of_conditions, of_reach
from graced.repair.laws.of_lines import of_lines
from graced.repair.laws.of_tokens import of_tokens
from graced.repair.pasted import RULES as PASTED

__all__ = ["NAMES", "Law", "broken_law", "changes"]

PYTHON2_LITERAL: Final = re.compile(r"0[oO]?[0-7]+$")
_MARKER: Final = re.compile(r"(?:<{7}|>{7}|={7})(?:[ \t]|$)")
HOLE_MIN: Final = 2
"""NULs in a row that are a hole in the file, where they are not its padding."""
_BY_RULE: Final = (
    (CONFLICT, "conflict", "a merge conflict is for a person to decide"),
    (SILENCING, "silenced", "code would no longer run"),
    (TORN, "torn", "the file breaks off, and nobody knows how it went on"),
)


def broken_law(raw: str, before: str, text: str, steps: Sequence[Candidate]) -> Law | None:
    """The first law that the repair of `before` to `text` by `steps` breaks; `raw` still has its NULs."""
    if _has_hole(raw):
        return Law("hole", "a part of the file was lost to NULs")
    rules = {step.rule for step in steps}
    for names, name, why in _BY_RULE:
        if rules & names:
            return Law(name, why)
    for rule in sorted(rules & MADE_UP.keys()):
        return Law("made_up", MADE_UP[rule])
    base = before
    todo = list(steps)
    while todo and (todo[0].rule in PASTED or todo[0].rule.startswith(("conflict", "python2", "brace_block"))):
        if todo[0].rule == "python2" and _only_octal(base, todo[0]):
            return Law("literal", MADE_UP["octal"])
        base = applied(base, todo.pop(0).edits)
    if "marker" in rules and len({line[:1] for line in before.splitlines() if _MARKER.match(line)}) > 1:
        return Law("conflict", "what is left of a merge conflict is for a person to decide")
    if does_nothing(text):
        return Law("made_up", "nothing in it would do anything")
    if not todo:
        return None
    start = base
    for step in todo:
        changed = applied(base, step.edits)
        if step.rule not in SPELT:
            law = of_tokens(base, changed)
            if law is not None:
                return law
        base = changed
    for check in (of_lines, of_conditions, of_reach, of_annotations):
        law = check(start, text, todo)
        if law is not None:
            return law
    return None


def _has_hole(raw: str) -> bool:
    """NULs in a row, that are not what pads the file behind the newline that ends it."""
    if "\0" * HOLE_MIN not in raw:
        return False
    body = raw.rstrip("\0")
    if "\0" * HOLE_MIN in body:
        return True
    return not body.endswith("\n") or body.endswith(("\n\n", "\n\r\n"))


def _only_octal(text: str, step: Candidate) -> bool:
    return all(new == "0o" or PYTHON2_LITERAL.match(text[start:end]) for start, end, new in step.edits)
