"""fdatasync off the loop: a short-lived worker at most once a second, so that a slow disk holds up nobody.

The worker holds no lock and no socket, only the paths it syncs; acknowledged records survive any kill without it, and
a power loss costs the last second at most.
"""

import contextlib
import os
from typing import Final

from graced.audit.log import AuditLog
from graced.posix.descriptors import close_all_but
from graced.posix.proc import set_title
from graced.store.db import Store

EVERY_S: Final = 1.0
QUIET_S: Final = 0.25  # after the last write: a recovery under way is not disturbed by a fork


class Syncer:
    """One worker at a time, forked by whoever wrote."""

    def __init__(self, title: str) -> None:
        """title: of the worker's process."""
        self._title = title
        self.worker = 0
        self._last = 0.0
        self._due = float("inf")

    @property
    def due(self) -> float:
        """When `tend` has something to do; never while a worker is at a slow disk."""
        return float("inf") if self.worker else self._due

    def wrote(self, audit: AuditLog, store: Store, now: float) -> None:
        """Called after writes, and in later turns while something waits to be synced."""
        if self._due == float("inf") and (audit.dirty or store.dirty):
            self._due = max(now + QUIET_S, self._last + EVERY_S)

    def tend(self, audit: AuditLog, store: Store, now: float) -> None:
        if now < self.due:
            return
        self._due = float("inf")
        self._last = now
        paths = audit.sync_target() + store.sync_target()
        if paths:
            self.worker = _fork_sync(self._title, paths)

    def reaped(self, pid: int) -> None:
        if pid == self.worker:
            self.worker = 0


def _fork_sync(title: str, paths: list[str]) -> int:
    try:
        pid = os.fork()
    except OSError:
        return 0
    if pid:
        return pid
    try:
        set_title(title)
        close_all_but(())
        for path in paths:
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY)
                (os.fsync if os.path.isdir(path) else os.fdatasync)(fd)
    finally:
        os._exit(0)
