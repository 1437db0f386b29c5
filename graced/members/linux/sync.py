"""fdatasync off the loop: a short-lived worker at most once a second, so that a slow disk holds up nobody.

The worker holds no socket; acknowledged records survive any kill without it, and a power loss costs the last second at
most. Once the WAL of state.db is large, the worker also writes it back.
"""

import contextlib
import gc
import os
from collections.abc import Callable
from typing import Final

from graced.audit.head import Head, keep_head
from graced.audit.log import AuditLog
from graced.posix.descriptors import close_all_but
from graced.posix.proc import set_title
from graced.store.checkpoint import make_durable, wanted
from graced.store.db import Store

EVERY_S: Final = 1.0
TELL_EVERY_S: Final = 60.0
"""Between two tellings of the audit log's head. What is cut off within that time is found by the kept head alone."""

QUIET_S: Final = 0.25  # after the last write: a recovery under way is not disturbed by a fork
CHECKPOINT_EVERY_S: Final = 10.0
"""Between two checkpoints that one member has begun: one that comes to nothing is not repeated every second."""


class Syncer:
    """One worker at a time, forked by whoever wrote. `title`: of its process."""

    def __init__(self, title: str, audit: AuditLog, store: Store) -> None:
        self._title, self._audit, self._store = title, audit, store
        self.worker = 0
        self._last = 0.0
        self._due = float("inf")
        self._checkpoint_at = 0.0
        self._tell_at = 0.0
        self.tell_head: Callable[[Head], None] | None = None  # tells the audit log's head outside of the home

    @property
    def due(self) -> float:
        """When `tend` has something to do; never while a worker is at a slow disk."""
        return float("inf") if self.worker else self._due

    def wrote(self, now: float) -> None:
        """Called after writes, and in later turns while something waits to be synced."""
        if self._due == float("inf") and (self._audit.dirty or self._store.dirty):
            self._due = max(now + QUIET_S, self._last + EVERY_S)

    def tend(self, now: float) -> None:
        if now < self.due:
            return
        self._due = float("inf")
        self._last = now
        audit, store = self._audit, self._store
        paths = audit.sync_target() + store.sync_target()
        if not paths:
            return
        database = ""
        if now >= self._checkpoint_at and wanted(store.path):
            self._checkpoint_at = now + CHECKPOINT_EVERY_S
            database = store.path
            store.release()  # SQLite must not be open across the fork
        tell = self.tell_head if now >= self._tell_at else None
        if tell is not None:
            self._tell_at = now + TELL_EVERY_S
        self.worker = _fork_sync(self._title, paths, database, audit.folder, audit.sync_head(), tell)

    def reaped(self, pid: int) -> None:
        if pid == self.worker:
            self.worker = 0


def _fork_sync(
    title: str,
    paths: list[str],
    database: str,
    folder: str,
    head: Head | None,
    tell: Callable[[Head], None] | None,
) -> int:
    try:
        pid = os.fork()
    except OSError:
        return 0
    if pid:
        return pid
    try:
        set_title(title)
        gc.disable()  # as in any worker: garbage of the parent's is not closed here
        close_all_but(())
        make_durable(paths, database)
        if head is not None:
            keep_head(folder, head)
            with contextlib.suppress(Exception):  # whatever a person's command does, it ends this worker alone
                if tell is not None:
                    tell(head)
    finally:
        os._exit(0)
