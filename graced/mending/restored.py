"""The plainest reading of a broken file that was whole before: what changed at the error, taken back."""

import re
from typing import Final

from graced.mending.gates import opcodes
from graced.mending.interpreter import Checker
from graced.mending.lines import Unfit, lines_of

TRIES: Final = 6
"""Changed stretches that are taken back one by one, those nearest to the error first, before it is given up."""
_LINE: Final = re.compile(r"\(line (\d+)\)")


def restored(source: bytes, past: str, error: str, checker: Checker) -> bytes | None:
    """`source` with as few changed stretches as needed as they were in `past`; None where that does not compile."""
    lines = lines_of(source)
    old = lines_of(past.encode("utf-8", "surrogateescape")).texts
    match = _LINE.search(error)
    at = int(match[1]) - 1 if match is not None else 0
    hunks = [(i1, i2, j1, j2) for tag, i1, i2, j1, j2 in opcodes(lines.texts, old) if tag != "equal"]
    hunks.sort(key=lambda hunk: max(hunk[0] - at, at - hunk[1], 0))
    for count in range(1, min(len(hunks), TRIES) + 1):
        plan: list[int | str] = []
        end = 0
        for i1, i2, j1, j2 in sorted(hunks[:count]):
            plan += [*range(end, i1), *old[j1:j2]]
            end = i2
        plan += range(end, len(lines.texts))
        try:
            candidate = lines.woven(plan)
        except (Unfit, UnicodeError):
            return None
        if checker.error(candidate) is None:
            return candidate
    return None
