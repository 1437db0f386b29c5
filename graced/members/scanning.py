"""The coding agent's eyes: a scan of the watched trees at the start, at file events, and every `check_interval`."""

import contextlib
import os
import pickle
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from graced.home import titles
from graced.members import workers
from graced.members.targets import targets
from graced.mending.events import tell_changes
from graced.mending.scan import Findings, scan
from graced.posix.clock import monotonic, wall_iso
from graced.store import tables
from graced.store.scanned import Scanned

if TYPE_CHECKING:
    from graced.members.shell import Shell

SCAN_TIMEOUT_S: Final = 600.0
SETTLE_S: Final = 0.05
"""Between an event and the scan: what is being unpacked is scanned once and not file by file."""
COSTLY: Final = 10.0
"""Scans that follow events wait so many times as long as the last one took: a busy tree makes no busy core."""
READ_BYTES: Final = 4096
ROWS_A_TURN: Final = 1000
"""Rows of state.db written in one turn of the loop: a few milliseconds."""


class Scanning:
    """`found` is called in the loop with what each scan saw."""

    def __init__(self, shell: "Shell", found: Callable[[Findings], None]) -> None:
        self._shell, self._found = shell, found
        self._watch = shell.config.coding_agent.watch
        self._barred = (shell.home.root,)
        self._known: dict[str, Scanned] | None = None
        self._next = 0.0 if self._watch else float("inf")
        self._scanning = False
        self._took = 0.0
        self._ended = 0.0
        self._events = -1  # the pipe of the worker that watches, -1 without one
        self._told: set[str] = set()  # troubles that were told already
        self._unsaved: deque[list[Scanned]] = deque()
        self.at = ""

    def tend(self, now: float) -> None:
        if self._unsaved and not self._shell.store.pending:
            tables.save_scanned(self._shell.store, self._unsaved.popleft())
        if self._scanning or now < self._next:
            return
        if self._events < 0:
            self._watch_events()
        self._next = now + self._shell.config.timing.check_interval_s
        if self._known is None:
            self._known = tables.scanned(self._shell.store)
        known, watch, barred = self._known, self._watch, self._barred
        home, config = self._shell.home, self._shell.config

        def work(fd: int) -> None:
            found = scan(watch, config.coding_agent.exclude, known, barred, targets(home, config))
            data = memoryview(pickle.dumps(found))  # a path need not be UTF-8
            while data:
                data = data[os.write(fd, data) :]

        self._scanning = workers.run(self._shell, work, SCAN_TIMEOUT_S, lambda data: self._done(data, now))

    def wake_at(self) -> float:
        if self._unsaved:
            return 0.0 if not self._shell.store.pending else monotonic() + SETTLE_S
        return float("inf") if self._scanning else self._next

    def soon(self) -> None:
        """Something changed: the next scan comes as early as is reasonable."""
        now = monotonic()
        self._next = min(self._next, max(now + SETTLE_S, self._ended + COSTLY * self._took))

    def _done(self, data: bytes, began: float) -> None:
        self._scanning = False
        self._ended = monotonic()
        self._took = self._ended - began
        if not data:
            return
        with contextlib.suppress(pickle.UnpicklingError, EOFError):  # cut off by its time limit
            findings: Findings = pickle.loads(data)
            self._learn(findings)
            self._found(findings)

    def _learn(self, findings: Findings) -> None:
        store = self._shell.store
        self.at = wall_iso()
        assert self._known is not None
        if findings.changed:
            self._known.update((each.path, each) for each in findings.changed)
            rows = findings.changed
            self._unsaved.extend(rows[i : i + ROWS_A_TURN] for i in range(0, len(rows), ROWS_A_TURN))
        if findings.gone:
            for path in findings.gone:
                self._known.pop(path, None)
            tables.forget_scanned(store, findings.gone)
        for text in findings.trouble:
            if text not in self._told:
                self._told.add(text)
                self._shell.audit.append("escalated", {"incident": "", "subject": "coding_agent", "text": text})

    # --- events

    def _watch_events(self) -> None:
        roots, barred = tuple(w.path for w in self._watch), self._barred
        try:
            title = titles.of_worker(self._shell.home.root, self._shell.me)
            _, self._events = workers.start(title, lambda fd: tell_changes(roots, barred, fd))
        except OSError:
            return
        self._shell.add_reader(self._events, self._event)

    def _event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if os.read(self._events, READ_BYTES):
                self.soon()
                return
            self._shell.drop_reader(self._events)
            os.close(self._events)
            self._events = -1  # begun again with the next regular scan
