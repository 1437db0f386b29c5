"""Unified diffs: making them for people, and applying one that somebody else made, to one file and strictly."""

import os
import re
from typing import Final

from graced.mending.lines import Lines, Unfit, at_newlines

HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
HUNKS_MAX: Final = 1000
ODD: Final = re.compile(rb'[\x00-\x1f\x7f"\\]')
DRIFT: Final = 200
"""Lines that a hunk may stand away from where it says: whoever writes diffs by hand miscounts."""


def unified(before: bytes, after: bytes, path: str) -> bytes:
    """The diff from one to the other, b"" when they are equal, with the very bytes of both, as `git apply` wants it."""
    from difflib import diff_bytes, unified_diff

    name = os.fsencode(path.lstrip("/"))
    old, new = _name(b"a/" + name), _name(b"b/" + name)
    lines = diff_bytes(unified_diff, at_newlines(before), at_newlines(after), old, new)
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


def _name(name: bytes) -> bytes:
    """In quotes where it needs them, as git has it: a newline in a name would end the line."""
    if not ODD.search(name):
        return name
    return b'"' + ODD.sub(lambda odd: b"\\%03o" % ord(odd.group()), name) + b'"'


def patched(source: Lines, diff: str, path: str) -> bytes:
    """`source` after the diff. Raises Unfit when it names another file, or does not fit."""
    out: list[int | str] = []
    at = 0
    for start, old, new in _hunks(diff, path):
        found = _place(source.texts, old, max(at, start - 1), at)
        if found is None:
            raise Unfit(f"the hunk at line {start} does not fit the file")
        out += range(at, found)
        out += [found + line if isinstance(line, int) else line for line in new]
        at = found + len(old)
    out += range(at, len(source.texts))
    return source.woven(out)


def _hunks(diff: str, path: str) -> list[tuple[int, list[str], list[int | str]]]:
    """(line, the lines before, the lines after) of each hunk; a number is a line of those before that stays."""
    hunks: list[tuple[int, list[str], list[int | str]]] = []
    left_old = left_new = 0
    for line in diff.split("\n"):
        line = line.removesuffix("\r")
        if left_old > 0 or left_new > 0:
            kind, rest = line[:1], line[1:]
            if kind == "\\":
                continue
            if kind not in (" ", "-", "+", ""):
                raise Unfit("a line of its diff is none")
            _, old, new = hunks[-1]
            if kind != "+":
                old.append(rest)
                left_old -= 1
            if kind != "-":
                new.append(rest if kind == "+" else len(old) - 1)
                left_new -= 1
            continue
        match = HUNK.match(line)
        if match:
            left_old, left_new = int(match[2] or 1), int(match[4] or 1)
            hunks.append((int(match[1]), [], []))
            if len(hunks) > HUNKS_MAX:
                raise Unfit(f"its diff has more than {HUNKS_MAX} hunks")
        elif line.startswith(("--- ", "+++ ")):
            _same_file(line[4:].split("\t")[0].strip(), path)
        elif line.startswith(("rename ", "deleted ", "new file", "copy ")):
            raise Unfit("its diff does more than change the file")
    if not hunks:
        raise Unfit("its diff has no hunk")
    return hunks


def _same_file(named: str, path: str) -> None:
    """The diff may name the file by any tail of its path."""
    if named == "/dev/null":
        raise Unfit("its diff does more than change the file")
    short = re.sub(r"^[ab]/", "", named).lstrip("/")
    whole = path.lstrip("/")
    if not (whole == short or whole.endswith("/" + short)) or ".." in short.split("/"):
        raise Unfit(f"its diff is of {named}, another file")


def _place(lines: list[str], old: list[str], wanted: int, least: int) -> int | None:
    """Where the old lines stand, nearest to where they should."""
    for away in range(DRIFT):
        for at in {wanted - away, wanted + away}:
            if least <= at <= len(lines) - len(old) and lines[at : at + len(old)] == old:
                return at
    return None
