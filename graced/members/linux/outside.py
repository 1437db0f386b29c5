"""`Linux`: everything that one real member process reaches the world by."""

import os
import random
import select
import time
from collections.abc import Callable
from typing import Final

from graced.audit import anchor
from graced.audit.log import AuditLog
from graced.bus.sockets import Bus
from graced.home import titles
from graced.home.locks import RoleLock
from graced.home.paths import Home
from graced.home.slots import KernelSlots
from graced.members.birth import Newborn
from graced.members.linux.attempts import Attempts
from graced.members.linux.files import Files
from graced.members.linux.loop import Loop
from graced.members.linux.outputs import Outputs
from graced.members.linux.place import Locks
from graced.members.linux.processes import Processes
from graced.members.linux.saying import Saying
from graced.members.linux.shelf import Shelf, Taken
from graced.members.linux.supervisor import Supervisor
from graced.members.linux.sync import Syncer
from graced.members.linux.trees import Trees
from graced.members.linux.workers import Workers
from graced.members.timers import Timers
from graced.posix import journal, proc
from graced.posix.clock import boottime, monotonic
from graced.posix.limits import Reserve
from graced.spec.config import Config
from graced.store.db import Store

POLL_MAX_MS: Final = 60_000
PAUSE_S: Final = 0.02


class Linux:
    """One process in a role, whose lock it holds. `bear`: what a forked newborn does, to its end."""

    def __init__(
        self,
        home: Home,
        role: str,
        lock: RoleLock,
        incarnation: int,
        config: Config,
        bear: Callable[[Newborn], None],
    ) -> None:
        self.home = home
        self.identity = proc.me()
        self.random = random.Random()
        self.now, self.boottime, self.wall = monotonic, boottime, time.time
        self.timers = Timers(monotonic)
        self.loop = Loop()
        self.bus = Bus(home, role)
        interval_s = config.timing.heartbeat_interval_s
        self.processes = Processes(home, self.loop, self.timers, interval_s, bear)
        self.locks = Locks(home, role, self.identity, lock)
        self.audit = AuditLog(home.audit, role, self.identity.pid, incarnation)
        self.audit.deferred = True
        if journal.at_hand():
            self.audit.told = journal.Journal(role, home.root).tell
        self.store = Store(home.db, deferred=True)
        self.slots = KernelSlots(home)
        self.outputs = Outputs(home, self.loop, self.timers, self.store, self.audit, self.locks, interval_s)
        self.trees = Trees(home, config, self.outputs)
        self.syncer = Syncer(titles.of_worker(home.root, role), self.audit, self.store)
        if role == "watchdog" and config.audit.anchor is not None:  # one teller is enough
            self.syncer.tell_head = anchor.teller(config.audit.anchor, home)
        self.files = Files(home)
        self.workers = Workers(titles.of_worker(home.root, role), self.loop, self.timers)
        self.attempts = Attempts(home, self.workers)
        self.supervisor = Supervisor(self.workers)
        self.on_signals = self.loop.on_signals
        self._role, self._interval_s = role, interval_s
        self._ready: dict[object, int] = {}
        self.bus.poller.register(self.loop.fileno(), select.POLLIN)

    def wait(self, until: float) -> bool:
        wait_ms = min(POLL_MAX_MS, max(0, int((until - monotonic()) * 1000) + 1)) if until else 0
        self._ready = self.bus.poll(wait_ms)
        return bool(self._ready)

    def dispatch(self) -> None:
        if self.loop.fileno() in self._ready:
            self.loop.dispatch()

    def say(self, text: str) -> None:
        os.write(2, f"{text}\n".encode(errors="replace"))

    def pause(self) -> None:
        time.sleep(PAUSE_S)

    def reserve(self) -> Reserve:
        return Reserve()

    def saying(self) -> Saying | None:
        return None if journal.at_hand() else Saying(self.home, self._interval_s, monotonic())

    def shelf(self, taken: Taken | None = None) -> Shelf:
        return Shelf(self.home, self._role, self.loop, self._interval_s, taken)
