"""What files were before `graced fix` changed them, under the user's state folder, so that `--undo` can put it back.

`files/HASH` lists the fixes of one path, newest last; `bytes/SHA256` holds contents. Both are bounded.
"""

import contextlib
import os
from typing import Final

import msgspec
from msgspec import Struct

from graced.mending.put import digest, read_source, replace_bytes
from graced.posix.clock import wall_iso
from graced.posix.files import make_dir, write_whole
from graced.posix.undecodable import UNDECODABLE

FIXES_MAX: Final = 10
"""Fixes of one path that can be taken back, one after the other."""
FILES_MAX: Final = 2000
"""Paths whose fixes are remembered: past it, those that were fixed the longest ago are forgotten."""
LIST_MAX_BYTES: Final = 64 * 1024


class Fixed(Struct, frozen=True):
    """One fix of a file; `path` as the system has it. `at` in ISO 8601 UTC."""

    path: bytes
    sha256_before: str
    sha256_after: str
    at: str


class Originals:
    """All that one user's `graced fix` has changed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def keep(self, path: str, before: bytes, after: bytes) -> None:
        """Before the file at the absolute `path` is changed. Raises OSError."""
        for name in ("", "files", "bytes"):
            make_dir(os.path.join(self._folder, name) if name else self._folder, 0o700)
        kept = self._bytes(digest(before))
        if not os.path.exists(kept):
            write_whole(kept, before)
        fixes = [*self.fixes(path), Fixed(os.fsencode(path), digest(before), digest(after), wall_iso())]
        write_whole(self._list(path), msgspec.msgpack.encode(fixes[-FIXES_MAX:]))

    def fixes(self, path: str) -> list[Fixed]:
        """Of one file, oldest first."""
        return _read(self._list(path))

    def paths(self, folder: str) -> list[str]:
        """The files below a folder that have fixes, by name."""
        inside = os.path.join(folder, "")
        try:
            names = os.listdir(os.path.join(self._folder, "files"))
        except OSError:
            return []
        lists = (_read(os.path.join(self._folder, "files", name)) for name in names)
        return sorted(path for fixes in lists if fixes and (path := os.fsdecode(fixes[-1].path)).startswith(inside))

    def undo(self, path: str) -> str | None:
        """Put back what the file was before its last fix. None when it is so, else why not. Raises OSError."""
        fixes = self.fixes(path)
        if not fixes:
            return "nothing is known of a fix of it"
        last = fixes[-1]
        now = digest(read_source(path))
        if now != last.sha256_before:
            if now != last.sha256_after:
                return "it has changed since the fix: it is left as it is"
            try:
                with open(self._bytes(last.sha256_before), "rb") as file:
                    before = file.read()
            except OSError as error:
                return f"its original cannot be read: {error.strerror or error}"
            if digest(before) != last.sha256_before:
                return "its original is damaged"
            if not replace_bytes(path, last.sha256_after, before, split=True):
                return "it is being changed by somebody: it is left as it is"
        if fixes[:-1]:
            write_whole(self._list(path), msgspec.msgpack.encode(fixes[:-1]))
        else:
            os.unlink(self._list(path))
        return None

    def prune(self) -> None:
        """Forget the oldest past FILES_MAX, and contents that no list names."""
        with contextlib.suppress(OSError):
            lists = sorted(os.scandir(os.path.join(self._folder, "files")), key=lambda each: each.stat().st_mtime)
            if len(lists) <= FILES_MAX:
                return
            for each in lists[:-FILES_MAX]:
                os.unlink(each.path)
            wanted = {fix.sha256_before for each in lists[-FILES_MAX:] for fix in _read(each.path)}
            for entry in os.scandir(os.path.join(self._folder, "bytes")):
                if entry.name not in wanted:
                    os.unlink(entry.path)

    def _list(self, path: str) -> str:
        return os.path.join(self._folder, "files", digest(os.fsencode(path))[:40])

    def _bytes(self, sha256: str) -> str:
        return os.path.join(self._folder, "bytes", sha256)


def folder_of_user() -> str:
    """$XDG_STATE_HOME/graced/fix, by default ~/.local/state/graced/fix."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(os.path.abspath(state), "graced", "fix")


def _read(path: str) -> list[Fixed]:
    try:
        with open(path, "rb") as file:
            return msgspec.msgpack.decode(file.read(LIST_MAX_BYTES), type=list[Fixed])
    except (OSError, *UNDECODABLE):
        return []
