"""The tables of state.db, and how an older file becomes one of today."""

import sqlite3
from typing import Final

from graced.store.errors import Newer

_FIRST: Final = (
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE incidents (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL,
        evidence TEXT NOT NULL, tier INTEGER, state TEXT NOT NULL DEFAULT 'open', duration_s REAL)""",
    """CREATE TABLE steps (
        n INTEGER PRIMARY KEY, incident TEXT NOT NULL, at TEXT NOT NULL, step TEXT NOT NULL, ok INTEGER NOT NULL,
        text TEXT NOT NULL)""",
    "CREATE INDEX steps_of ON steps (incident)",
    """CREATE TRIGGER incident_dropped AFTER DELETE ON incidents
        BEGIN DELETE FROM steps WHERE incident = OLD.id; END""",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, playbook TEXT NOT NULL, target TEXT NOT NULL, executor TEXT NOT NULL,
        incident TEXT NOT NULL, blob BLOB NOT NULL, state TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE leases (
        id TEXT PRIMARY KEY, incident TEXT NOT NULL, agent TEXT NOT NULL, incarnation INTEGER NOT NULL,
        power TEXT NOT NULL, boot_id TEXT NOT NULL, expires_boottime REAL NOT NULL, revoked INTEGER NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE kernels (
        name TEXT PRIMARY KEY, run INTEGER NOT NULL, pid INTEGER, start_ticks INTEGER, boot_id TEXT NOT NULL,
        state TEXT NOT NULL, reason TEXT NOT NULL, exit TEXT NOT NULL, restarts INTEGER NOT NULL, started_at TEXT,
        stopped_by_person INTEGER NOT NULL, rung TEXT) WITHOUT ROWID""",
    """CREATE TABLE tasks (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, path NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL,
        created_at TEXT NOT NULL, finished_at TEXT, agent TEXT, sha256_before TEXT, sha256_after TEXT, original,
        superseded INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX tasks_path ON tasks (path) WHERE superseded = 0",
    "CREATE INDEX tasks_state ON tasks (state, n) WHERE superseded = 0",
    """CREATE TABLE scanned (
        path PRIMARY KEY, key TEXT NOT NULL, sha256 TEXT NOT NULL, ok INTEGER NOT NULL) WITHOUT ROWID""",
)

_MEMORY: Final = ("ALTER TABLE kernels ADD COLUMN memory TEXT NOT NULL DEFAULT ''",)

_COUNTED: Final = ("ALTER TABLE incidents ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",)

_RETRY: Final = ("ALTER TABLE tasks ADD COLUMN retry TEXT NOT NULL DEFAULT ''",)

_GOOD: Final = (
    "ALTER TABLE scanned ADD COLUMN good TEXT NOT NULL DEFAULT ''",
    "UPDATE scanned SET key = ''",  # read once more, so that the texts are kept
)

MIGRATIONS: Final = (_FIRST, _MEMORY, _COUNTED, _RETRY, _GOOD)
"""MIGRATIONS[v] makes a file of version v (user_version) one of version v + 1."""

VERSION: Final = len(MIGRATIONS)


def version(conn: sqlite3.Connection) -> int:
    """The version of the file, 0 when it is empty. Raises sqlite3.Error."""
    found: int = conn.execute("PRAGMA user_version").fetchone()[0]
    return found


def migrate(conn: sqlite3.Connection) -> None:
    """Brings the file to VERSION, in one transaction. Raises sqlite3.Error (SQLITE_BUSY when another is writing)."""
    if version(conn) == VERSION:
        return
    conn.execute("BEGIN IMMEDIATE")
    try:
        found = version(conn)  # another newborn may have done it since
        if found > VERSION:
            raise Newer(f"state.db is of version {found}, this graced knows {VERSION}: install the newer one")
        for step in MIGRATIONS[found:]:
            for statement in step:
                conn.execute(statement)
        conn.execute(f"PRAGMA user_version = {VERSION}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
