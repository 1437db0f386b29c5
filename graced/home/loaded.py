"""Which files the running configuration was made of, so that a change of them since then is told.

HOME/loaded is JSON: {"at", "files": {absolute path: SHA-256 in hex, null for one that was not there}}.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Final

from graced.home.paths import Home
from graced.posix.clock import wall_iso
from graced.posix.files import read_small, write_over
from graced.spec.config import PLACES

FILE_MAX_BYTES: Final = 16 * 1024 * 1024


def _path(home: Home) -> str:
    return os.path.join(home.root, "loaded")


def note(home: Home, files: Iterable[str]) -> None:
    """Before a start. `files`: all that were merged; without any, where one is looked for. Raises OSError."""
    named = [os.path.abspath(file) for file in files] or [os.path.abspath(place) for place in PLACES]
    told = {"at": wall_iso(), "files": {path: _digest(path) for path in named}}
    write_over(_path(home), json.dumps(told).encode(), durable=False)


def changed(home: Home) -> tuple[list[str], str]:
    """(the files that are not as they were loaded, when that was); ([], "") where nothing is known."""
    try:
        told = json.loads(read_small(_path(home), FILE_MAX_BYTES))
        files, at = dict(told["files"]), str(told["at"])
        return [path for path, digest in files.items() if _digest(str(path)) != digest], at
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [], ""


def _digest(path: str) -> str | None:
    """None for no file; that of nothing for what cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    with open(fd, "rb") as file:
        try:
            return hashlib.sha256(file.read(FILE_MAX_BYTES)).hexdigest()
        except OSError:
            return ""
