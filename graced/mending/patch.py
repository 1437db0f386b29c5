"""Unified diffs: making them for people, and applying one that somebody else made, to one file and strictly."""

import re
from typing import Final

HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
HUNKS_MAX: Final = 1000
DRIFT: Final = 200
"""Lines that a hunk may stand away from where it says: whoever writes diffs by hand miscounts."""


class Unfit(Exception):
    """The diff cannot be applied; the text says why."""


def unified(before: bytes, after: bytes, path: str) -> str:
    """The diff from one to the other, "" when they are equal. Bytes that are no UTF-8 are shown as escapes."""
    from difflib import unified_diff

    old, new = (data.decode("utf-8", "backslashreplace").split("\n") for data in (before, after))
    lines = list(unified_diff(_ended(old), _ended(new), f"a/{path.lstrip('/')}", f"b/{path.lstrip('/')}"))
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _ended(lines: list[str]) -> list[str]:
    """Lines with their newlines, split at \\n alone."""
    *whole, rest = lines
    return [line + "\n" for line in whole] + ([rest] if rest else [])


def patched(source: bytes, diff: str, path: str) -> bytes:
    """`source` after the diff. Raises Unfit when it names another file, or does not fit."""
    newline = "\r\n" if b"\r\n" in source else "\n"
    text = source.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    lines, ended = text.split("\n"), text.endswith("\n")
    if ended:
        lines.pop()
    out: list[str] = []
    at = 0
    for start, old, new in _hunks(diff, path):
        found = _place(lines, old, max(at, start - 1), at)
        if found is None:
            raise Unfit(f"the hunk at line {start} does not fit the file")
        out += [*lines[at:found], *new]
        at = found + len(old)
    out += lines[at:]
    joined = newline.join(out) + (newline if ended or not text else "")
    return joined.encode("utf-8", "surrogateescape")


def _hunks(diff: str, path: str) -> list[tuple[int, list[str], list[str]]]:
    """(line, the lines before, the lines after) of each hunk."""
    hunks: list[tuple[int, list[str], list[str]]] = []
    left_old = left_new = 0
    for line in diff.split("\n"):
        line = line.removesuffix("\r")
        if left_old > 0 or left_new > 0:
            kind, rest = line[:1], line[1:]
            if kind == "\\":
                continue
            if kind not in (" ", "-", "+", ""):
                raise Unfit("a line of its diff is none")
            if kind != "+":
                hunks[-1][1].append(rest)
                left_old -= 1
            if kind != "-":
                hunks[-1][2].append(rest)
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
