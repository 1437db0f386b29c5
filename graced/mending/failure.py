"""What the end of a kernel's log says: the error, and which files its traceback names."""

import os
import re
from typing import Final

from msgspec import Struct

TAIL_BYTES: Final = 64 * 1024
LAST_LINES: Final = 30
"""The error stands within so many lines of the end, or the log does not end in a traceback."""
NAMED_MAX: Final = 200

SYNTAX: Final = frozenset({"SyntaxError", "IndentationError", "TabError"})
_FILE: Final = re.compile(r'[\s|+]*File "(?P<path>[^"]+)", line \d+')
_ERROR: Final = re.compile(r"(?:\w+\.)*(?P<kind>[A-Z]\w*)(?:: .*)?$")


class Failure(Struct, frozen=True):
    """`error`: the line that names it; `path`: the file it is in; `named`: all files of the traceback; absolute."""

    error: str = ""
    syntax: bool = False
    path: str = ""
    named: tuple[str, ...] = ()


def failure_of(log: str, cwd: str) -> Failure:
    """The failure that the text ends in; an empty one when it ends in none. Relative paths are of `cwd`."""
    lines = log.splitlines()
    for index in range(len(lines) - 1, max(-1, len(lines) - 1 - LAST_LINES), -1):
        match = _ERROR.match(lines[index])
        if match is None:
            continue
        paths = _paths_above(lines, index, cwd)
        if paths:
            return Failure(lines[index][:300], match["kind"] in SYNTAX, paths[-1], tuple(dict.fromkeys(paths)))
    return Failure()


def _paths_above(lines: list[str], index: int, cwd: str) -> list[str]:
    """The files named by what belongs to the error: indented lines above it, up to its header."""
    paths: list[str] = []
    while index > 0:
        index -= 1
        line = lines[index]
        match = _FILE.match(line)
        if match is not None:
            path = match["path"]
            if not path.startswith("<") and len(paths) < NAMED_MAX:
                paths.append(os.path.normpath(os.path.join(cwd, path)))
        elif line and not line.startswith((" ", "\t", "|")):
            break  # the header, or what was said before
    paths.reverse()
    return paths


def tail_of(path: str, newer_than: float, limit: int = TAIL_BYTES) -> tuple[str, float]:
    """(the end of the log, when it was last written to); "" when that was not after `newer_than` (seconds of 1970)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return "", 0.0
    try:
        status = os.fstat(fd)
        if status.st_mtime < newer_than:
            return "", status.st_mtime
        data = os.pread(fd, limit, max(0, status.st_size - limit))
        return data.decode("utf-8", "replace"), status.st_mtime
    except OSError:
        return "", 0.0
    finally:
        os.close(fd)
