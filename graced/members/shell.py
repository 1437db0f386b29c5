"""The loop of one member: poll, tell the core what happened, do what it answers.

One poll over the ZeroMQ sockets and one epoll, which holds the pidfds of the peers and the wake-up pipe of signals; no
threads, nothing that blocks. What a role adds is a `Duty`.
"""

import gc
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from graced.audit.log import AuditLog
from graced.bus.protocol import Ask, Reply, decode_beat, encode, to_plain
from graced.bus.sockets import Bus
from graced.core import member
from graced.core.state import State
from graced.core.vocabulary import (
    Action,
    Beat,
    Died,
    EndRun,
    Event,
    Found,
    Heard,
    Ready,
    Resign,
    SendBeat,
    StepDone,
    Stopping,
    Tick,
)
from graced.home import titles
from graced.home.kept_files import KeptFiles
from graced.home.locks import LockRecord, RoleLock
from graced.home.paths import Home
from graced.home.presence import presence
from graced.home.stopping import announced
from graced.members import viewing
from graced.members.duty import Duty
from graced.members.effects import EFFECTS, FAILED, again, ballot
from graced.members.pollset import PollSet
from graced.members.sync import Syncer
from graced.members.troubles import PASSING, PAUSE_S, Troubles
from graced.posix import journal, proc
from graced.posix.clock import monotonic
from graced.spec.config import Config
from graced.spec.roles import others
from graced.store.db import Store

POLL_MAX_MS: Final = 60_000
ROWS_WAIT_S: Final = 0.25  # for the records that come before them, while another member is at the audit log
RETRY_S: Final = 0.005  # until a busy lock (audit, store) or a connection is tried again
LOST_EXIT: Final = 75  # EX_TEMPFAIL: the role is held by another


class Shell:
    """Everything that one member process holds. `run` returns its exit code."""

    def __init__(
        self,
        home: Home,
        me: str,
        lock: RoleLock,
        incarnation: int,
        config: Config,
        state: State,
    ) -> None:
        self.home, self.me, self.lock, self.config, self.state = home, me, lock, config, state
        self.identity = proc.me()
        self.incarnation = incarnation
        self.interval = config.timing.heartbeat_interval_s
        self.bus = Bus(home, me)
        self.audit = AuditLog(home.audit, me, self.identity.pid, incarnation)
        self.audit.deferred = True
        if journal.at_hand():
            self.audit.told = journal.Journal(me, home.root).tell
        self.store = Store(home.db, deferred=True)
        self.kept = KeptFiles(home)
        self.syncer = Syncer(titles.of_worker(home.root, me))
        self.polls = PollSet()
        self.after = self.polls.after
        self.add_reader = self.polls.add
        self.drop_reader = self.polls.drop
        self.duty: Duty = Duty(self)
        self.forks = me == "spawner"  # SQLite must not be open across its forks
        self.exit_code: int | None = None
        self.lag = 0.0
        self.seq = 0
        self.requests: dict[str, str] = {}  # request -> run
        self.results: dict[str, EndRun] = {}  # of runs that somebody asked for
        self._events: deque[Event] = deque()
        self._waiting: dict[str, tuple[float, str, Callable[[Reply | None], None]]] = {}
        self._asked_count = 0
        self._watched: dict[str, tuple[int, int]] = {}  # member -> (pidfd, pid)
        self._beat_due = 0.0
        self._beat_wanted = False
        self._retrying = False
        self._behind = 0.0  # when the audit log had last taken everything
        self._stopping = False
        self.troubles = Troubles(self._tell_trouble, 2 * self.interval)
        self.bus.poller.register(self.polls.fileno(), select.POLLIN)
        self.polls.on_signals(self._signalled)

    # --- signals and children

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self.reap()
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self.duty.terminated()
        self.duty.signalled(numbers)

    def reap(self) -> None:
        """Take the dead children in; the short work first, so that a kernel's restart waits for no member's death."""
        for pid, wait_status in sorted(proc.reap(), key=lambda dead: self.duty.weight(dead[0])):
            self.syncer.reaped(pid)
            self.duty.reaped(pid, wait_status)

    # --- the loop

    def run(self) -> int:
        self.take(Ready())
        gc.enable()
        while self.exit_code is None:
            try:
                self._turn()
            except PASSING as error:  # of no action in particular; whatever was to be done is due still
                self.troubles.meet("loop", error)
                time.sleep(PAUSE_S)
        return self.exit_code

    def _tell_trouble(self, text: str) -> None:
        os.write(2, f"{self.me}: {text}\n".encode(errors="replace"))
        self.audit.append("escalated", {"incident": "home", "subject": self.home.root, "text": f"{self.me}: {text}"})

    def _turn(self) -> None:
        now = monotonic()
        due = min(
            self._beat_due,
            self.state.due,
            self.duty.wake_at(),
            self.syncer.due,
            self.polls.next_timer(),
        )
        wait_ms = 0 if self._events else min(POLL_MAX_MS, max(0, int((due - now) * 1000) + 1))
        ready = dict(self.bus.poller.poll(wait_ms))
        now = monotonic()
        self.lag = max(0.0, now - due) if due < now else 0.0
        if ready:
            self._receive(ready)
        self.polls.expire(now)
        if now >= self.state.due:
            self.take(Tick())
        self.duty.tend(now)
        self._drain()
        if self._beat_wanted or now >= self._beat_due:
            self.send_beat(now)
        self._flush(now)

    def _receive(self, ready: dict[object, int]) -> None:
        if self.polls.fileno() in ready:
            self.polls.dispatch()
        for address, ask in self.bus.asks(ready):
            self._asked(address, ask)
        for _, reply in self.bus.replies(ready):
            waiting = self._waiting.pop(reply.id, None)
            if waiting is not None:
                waiting[2](reply)
        for beat in self.bus.beats(ready):
            self._hear(beat)
        self.bus.subscribers(ready)

    def _hear(self, beat: Beat | None) -> None:
        if beat is not None:
            self.take(Heard(beat))
            self.duty.heard(beat)

    # --- events and actions

    def take(self, event: Event) -> None:
        """Have the core take an event in; events that come of its actions follow in order."""
        self._events.append(event)
        if len(self._events) == 1:
            self._drain()

    def _drain(self) -> None:
        while self._events:
            event = self._events[0]
            self.state, actions = member.step(self.state, event, monotonic())
            try:
                for action in actions:
                    self.attempt(action)
            finally:
                self._events.popleft()

    def attempt(self, action: Action) -> None:
        """A trouble that passes ends no member: the core is told, or the action is done again."""
        what = type(action).__name__
        try:
            self.act(action)
        except PASSING as error:
            failed = FAILED.get(type(action), again)
            failed(self, action, self.troubles.meet(what, error))
        else:
            self.troubles.over(what)

    def act(self, action: Action) -> None:
        match action:
            case SendBeat():
                self._beat_wanted = True
                if action.urgent:
                    self.send_beat(monotonic())
            case Resign():
                self.resign(action.reason)
            case _:
                effect = EFFECTS.get(type(action))
                if effect is not None:
                    effect(self, action)
                elif not self.duty.acted(action):
                    raise TypeError(f"{self.me} cannot do {action!r}")

    def resign(self, reason: str) -> None:
        os.write(2, f"{self.me} ends itself: {reason}\n".encode(errors="replace"))
        self.exit_code = LOST_EXIT

    # --- heartbeats

    def send_beat(self, now: float) -> None:
        """Publish; at the interval's own beats also look whether run/ is still ours."""
        if now >= self._beat_due:
            newborn = not self._beat_due  # its first heartbeat waits for nothing
            self._beat_due = (now // self.interval + 1) * self.interval
            self._keep_place()
            self.bus.tend(now)
            self._look_for_stop()
            self.troubles.tend()
            if not newborn:
                self._look_at_files()
        self._beat_wanted = False
        self.seq += 1
        self.bus.publish(viewing.beat(self))

    def greet(self) -> None:
        """Tell the watchdog of this birth before it has connected to the new socket; only then listen to others."""
        if self.me != "watchdog":
            word = Ask(f"{self.me}-{self.incarnation}-born", "beat", {"beat": encode(viewing.beat(self))}, self.me)
            self.bus.greet("watchdog", word)
        for peer in others(self.me):
            self.bus.follow(peer)

    def _keep_place(self) -> None:
        """If run/ was deleted, make it again and take the role in it; somebody else has it: end."""
        if self.lock.still_mine():
            return
        try:
            self.home.ensure()
            lock = RoleLock.take(self.home.lock(self.me))
            if lock is None:
                self.resign("run/ was deleted, and another process holds the role in the new one")
                return
            lock.write(LockRecord.of(self.identity, self.incarnation))
            self.lock.close()
            self.lock = lock
            self.home.reopen_run()
            self.bus.rebind()
        except OSError as error:
            os.write(2, f"{self.me}: run/ is gone and cannot be made again: {error}\n".encode(errors="replace"))

    def _look_at_files(self) -> None:
        """What somebody took away from the home while it was in use."""
        self.store.look()
        for text in (*self.kept.look(), *self.store.findings):
            self.audit.append("escalated", {"incident": "home", "subject": self.home.root, "text": text})
        self.store.findings.clear()

    # --- stop

    @property
    def stopping(self) -> bool:
        """Read anew: births depend on it."""
        return announced(self.home)

    def _look_for_stop(self) -> None:
        """run/stopping is obeyed while the process that wrote it lives, or it says that it is done."""
        active = announced(self.home)
        if active != self._stopping:
            self._stopping = active
            self.take(Stopping(active))

    # --- watching

    def watch(self, name: str, pid: int, start_ticks: int) -> None:
        """Hold a pidfd of a member; its death comes as Died, at once if it is dead already."""
        held = self._watched.get(name)
        if held is not None:
            if held[1] == pid:
                return
            self._unwatch(name)
        ticks = start_ticks or proc.start_ticks(pid) or 0
        fd = proc.open_pidfd(proc.Identity(pid, ticks, self.identity.boot_id))
        if fd is None:
            self._died(name, pid)
            return
        self._watched[name] = (fd, pid)
        self.add_reader(fd, lambda: self._fired(name, pid))
        if name == "spawner":
            self.bus.connect(name)

    def _unwatch(self, name: str) -> None:
        fd, _ = self._watched.pop(name)
        self.drop_reader(fd)
        os.close(fd)

    def _fired(self, name: str, pid: int) -> None:
        if self._watched.get(name, (0, 0))[1] == pid:
            self._unwatch(name)
        self._died(name, pid)

    def _died(self, name: str, pid: int) -> None:
        self._look_for_stop()
        if name == "spawner":  # nothing that follows may be sent to it
            self._lost(name, pid)
        self.take(Died(name, pid))
        self._lost(name, pid)

    def _lost(self, name: str, pid: int) -> None:
        """Close what leads to the dead one; commands that it has not answered are lost."""
        if pid != self.state.peers[name].pid:
            return
        self.bus.lost(name, monotonic())
        for id, (_, to, call) in tuple(self._waiting.items()):
            if to == name:
                del self._waiting[id]
                call(None)

    def found(self, name: str) -> Found:
        """What a role's lock file and /proc say of it now."""
        here = presence(self.home, name)
        record = here.record
        if record is None:
            return Found(name, 0, 0, 0, "gone")
        return Found(name, record.pid, record.start_ticks, record.incarnation, here.status)

    # --- commands

    def send(
        self,
        to: str,
        verb: str,
        args: dict[str, Any],
        timeout: float,
        answer: Callable[[Reply | None], None] | None = None,
        id: str = "",
    ) -> None:
        """Send a command; `answer` is called once, with None when none came in `timeout` seconds or `to` died."""
        now = monotonic()
        self._asked_count += 1
        id = id or f"{self.me}-{self.incarnation}-{self._asked_count}"
        self.bus.send(to, Ask(id, verb, args, self.me, 0, now + timeout))
        if answer is not None:
            self._waiting[id] = (now + timeout, to, answer)
            self.after(timeout, lambda: self._unanswered(id))
        self.after(RETRY_S, self._resend)

    def _resend(self) -> None:
        if self.bus.resend(monotonic()):
            self.after(RETRY_S, self._resend)

    def _unanswered(self, id: str) -> None:
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            waiting[2](None)

    def _asked(self, address: bytes, ask: Ask) -> None:
        if (ask.deadline and monotonic() > ask.deadline) or ask.incarnation not in (0, self.incarnation):
            return
        try:
            reply = self._answer(address, ask)
        except (KeyError, TypeError, ValueError) as error:
            reply = Reply(ask.id, False, error=f"{ask.verb}: {type(error).__name__} {error}")
        if reply is not None:
            self.bus.reply(address, reply)

    def _answer(self, address: bytes, ask: Ask) -> Reply | None:
        match ask.verb:
            case "status":
                return Reply(ask.id, True, to_plain(self.duty.extend(viewing.view(self))))
            case "beat":
                self._hear(decode_beat(bytes(ask.args["beat"])))
                return None
            case "resign":
                self.resign(str(ask.args.get("reason", "asked to")))
                return Reply(ask.id, True)
            case "vote":
                return ballot(self, address, ask)
        return self.duty.ask(ask, address)

    # --- what is written

    def _flush(self, now: float) -> None:
        wrote = self.audit.pending
        if wrote:
            self.audit.flush()
            for finding in self.audit.findings:
                self.audit.append("escalated", {"incident": "audit", "subject": "audit", "text": finding})
            self.audit.findings.clear()
        # Rows say what was told, so they are written after it: who dies in between tells it again, or looks it up.
        self._behind = now if not self.audit.pending else self._behind
        held = self.audit.pending and not self.audit.degraded and now - self._behind < ROWS_WAIT_S
        if self.store.pending and not held:
            self.store.flush()
            if self.forks:
                self.store.release()
        self.syncer.wrote(self.audit, self.store, now)
        self.syncer.tend(self.audit, self.store, now)
        if (self.audit.pending or self.store.pending) and not self._retrying:
            self._retrying = True
            trouble = self.audit.degraded or self.store.degraded
            self.after(self.interval if trouble else RETRY_S, self._retry)

    def _retry(self) -> None:
        """The turn of the loop in which this timer fires tries again."""
        self._retrying = False

    def step_done(self, run: str, step: int, attempt: int, ok: bool, text: str, output: dict[str, Any]) -> None:
        self.take(StepDone(run, step, attempt, ok, text, output))
