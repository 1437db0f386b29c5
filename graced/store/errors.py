"""What SQLite's errors mean for us: wait, heal, or a mistake of ours."""

import sqlite3
from typing import Final

PASSING: Final[dict[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process is writing",
    sqlite3.SQLITE_LOCKED: "another process is writing",
    sqlite3.SQLITE_PROTOCOL: "another process is opening it",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk refuses",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_PERM: "it may not be opened",
    sqlite3.SQLITE_AUTH: "it may not be opened",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
    sqlite3.SQLITE_NOLFS: "the file is too large",
}
"""Trouble of the moment: what was to be written is kept and tried again."""

CONTENTION: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
"""Of those, what is normal for a short time."""

DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
"""The file is no database, or no whole one."""

UNOPENABLE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
"""What opening for writing says in a home that may only be read."""


class Contended(sqlite3.OperationalError):
    """Another process is making or replacing the file at this moment."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


class Unopenable(sqlite3.OperationalError):
    """The operating system refuses; the text says what."""

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN


class Newer(sqlite3.OperationalError):
    """The file was written by a later graced than this one."""

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN


def primary(error: sqlite3.Error) -> int:
    """The primary result code; SQLITE_ERROR when the module itself raised."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
