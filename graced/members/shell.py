"""The loop of one member: wait, tell the core what happened, do what it answers.

It reaches the world only through its outside (graced.members.outside), so the very same shell runs on Linux and in the
simulator. No threads, nothing that blocks. What a role adds is a `Duty`.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.bus.protocol import Ask, Asked, Reply, decode_beat, encode, to_plain
from graced.bus.verbs import VERBS, BeatSent, Nothing, Reason, Vote
from graced.core import member, triggers
from graced.core.state import State, Stepped
from graced.core.vocabulary import Beat, Died, Event, Found, Heard, MemberAction, Perform, StepDone, Stopping, Tick
from graced.members import viewing
from graced.members.duty import Duty, Handler
from graced.members.effects import Effects
from graced.members.playbooks import Playbooks
from graced.members.step_workers import StepOutcome
from graced.members.timers import Timers
from graced.members.troubles import PASSING, Troubles
from graced.posix.clock import wall_iso
from graced.posix.proc import Identity
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Config
from graced.spec.roles import HEALERS, others

if TYPE_CHECKING:
    from graced.members.outside import Outside, Watch

SIGINT: Final = 2
SIGTERM: Final = 15
SIGCHLD: Final = 17
ROWS_WAIT_S: Final = 0.25  # for the records that come before them, while another member is at the audit log
RETRY_S: Final = 0.005  # until a busy lock (audit, store) or a connection is tried again
ASKS_KEPT: Final = 512  # ids of commands that were taken lately: a repeat of one is refused
LOST_EXIT: Final = 75  # EX_TEMPFAIL: the role is held by another


class Shell:
    """Everything that one member process holds. `run` returns its exit code."""

    def __init__(self, outside: "Outside", me: str, incarnation: int, config: Config, state: State) -> None:
        self.outside, self.me, self.incarnation, self.config, self.state = outside, me, incarnation, config, state
        self.home, self.identity, self.random = outside.home, outside.identity, outside.random
        self.now, self.wall, self.boottime = outside.now, outside.wall, outside.boottime
        self.bus, self.processes, self.locks = outside.bus, outside.processes, outside.locks
        self.audit, self.store, self.slots = outside.audit, outside.store, outside.slots
        self.syncer, self.files, self.workers = outside.syncer, outside.files, outside.workers
        self.supervisor = outside.supervisor
        self.interval = config.timing.heartbeat_interval_s
        self.timers: Timers = outside.timers
        self.after = self.timers.after
        self.step: Callable[[State, Event, float], Stepped] = member.step  # (one that records takes its place)
        self.duty: Duty = Duty(self)
        self.effects = Effects(self)
        self._sees_triggers = me in HEALERS
        self.playbooks = Playbooks(self)
        self.forks = me == "spawner"  # SQLite must not be open across its forks
        self.exit_code: int | None = None
        self.lag = 0.0
        self.seq = 0
        self._handlers: dict[str, Handler] = {}
        self._events: deque[Event] = deque()
        self._waiting: dict[str, tuple[float, str, Callable[[Reply | None], None]]] = {}
        self._asked_count = 0
        self._taken: dict[str, None] = {}  # ids of commands, oldest first
        self._watched: dict[str, tuple[Watch, int]] = {}  # member -> (its watch, its pid)
        self._beat_due = 0.0
        self._beat_wanted = False
        self._retrying = self._resending = False
        self._behind = 0.0  # when the audit log had last taken everything
        self._stopping = False
        self.troubles = Troubles(self._tell_trouble, 2 * self.interval, self.now, outside.reserve())
        outside.on_signals(self._signalled)

    def begin(self, duty: Duty) -> None:
        """Take up the work of the role: from now on its commands are taken."""
        self.duty = duty
        self._handlers = {
            "status": self._status,
            "beat": self._beat_sent,
            "resign": self._resign_asked,
            "vote": self._vote,
            **duty.handlers(),
        }

    # --- signals and children

    def _signalled(self, numbers: set[int]) -> None:
        if SIGCHLD in numbers:
            self.reap()
        if SIGTERM in numbers or SIGINT in numbers:
            self.duty.terminated()
        self.duty.signalled(numbers)

    def reap(self) -> None:
        """Take the dead children in; the short work first, so that a kernel's restart waits for no member's death."""
        for pid, wait_status in sorted(self.processes.reap(), key=lambda dead: self.duty.weight(dead[0])):
            self.syncer.reaped(pid)
            self.duty.reaped(pid, wait_status)

    # --- the loop

    def run(self) -> int:
        while self.exit_code is None:
            try:
                due = self.due()
                self.turn(due, self.outside.wait(0.0 if self._events else due))
            except PASSING as error:  # of no action in particular; whatever was to be done is due still
                self.troubles.meet("loop", error)
                self.outside.pause()
        return self.exit_code

    def _tell_trouble(self, text: str) -> None:
        self.outside.say(f"{self.me}: {text}")
        self.audit.append("escalated", {"incident": "home", "subject": self.home.root, "text": f"{self.me}: {text}"})

    def due(self) -> float:
        """When the next turn is due, if nothing comes before."""
        return min(self._beat_due, self.state.due, self.duty.wake_at(), self.syncer.due, self.timers.next())

    def turn(self, due: float, came: bool) -> None:
        """One turn of the loop, which was due at `due`; `came`: something did come."""
        now = self.now()
        self.lag = max(0.0, now - due) if due < now else 0.0
        if came:
            self._receive()
        self.timers.expire(now)
        if now >= self.state.due:
            self.take(Tick())
        self.duty.tend(now)
        self._drain()
        if self._beat_wanted or now >= self._beat_due:
            self.send_beat(now)
        self._flush(now)

    def _receive(self) -> None:
        self.outside.dispatch()
        for address, ask in self.bus.asks():
            self._asked(address, ask)
        for reply in self.bus.replies():
            waiting = self._waiting.pop(reply.id, None)
            if waiting is not None:
                waiting[2](reply)
        for beat in self.bus.beats():
            self._hear(beat)
        self.bus.subscribers()

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
            self.state, actions = self.step(self.state, event, self.now())
            try:
                for action in actions:
                    self.attempt(action)
            finally:
                self._events.popleft()

    def attempt(self, action: MemberAction) -> None:
        """A trouble that passes ends no member: the core is told, or the action is done again."""
        what = type(action).__name__
        try:
            self.act(action)
        except PASSING as error:
            self.effects.failed(action, self.troubles.meet(what, error))
        else:
            self.troubles.over(what)

    def act(self, action: MemberAction) -> None:
        self.effects.do(action)
        happened = triggers.seen(action) if self._sees_triggers else None
        if happened is not None:
            self.take(happened)

    def step_done(self, done: Perform, how: StepOutcome) -> None:
        self.take(StepDone(done.run, done.step, done.attempt, how.ok, how.text, how.output, how.applies))

    def want_beat(self, *, urgent: bool) -> None:
        self._beat_wanted = True
        if urgent:
            self.send_beat(self.now())

    def resign(self, reason: str) -> None:
        self.outside.say(f"{self.me} ends itself: {reason}")
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
        if self.locks.still_mine():
            return
        try:
            if self.locks.retake(self.incarnation):
                self.bus.rebind()
            else:
                self.resign("run/ was deleted, and another process holds the role in the new one")
        except OSError as error:
            self.outside.say(f"{self.me}: run/ is gone and cannot be made again: {error}")

    def _look_at_files(self) -> None:
        """What somebody took away from the home while it was in use."""
        self.store.look()
        for text in (*self.files.look(), *self.store.findings):
            self.audit.append("escalated", {"incident": "home", "subject": self.home.root, "text": text})
        self.store.findings.clear()

    # --- stop

    @property
    def stopping(self) -> bool:
        """Read anew: births depend on it."""
        return self.locks.stopping()

    def _look_for_stop(self) -> None:
        """run/stopping is obeyed while the process that wrote it lives, or it says that it is done."""
        active = self.locks.stopping()
        if active != self._stopping:
            self._stopping = active
            self.take(Stopping(active))

    # --- watching

    def watch(self, name: str, pid: int, start_ticks: int) -> None:
        """Watch a member; its death comes as Died, at once if it is dead already."""
        held = self._watched.get(name)
        if held is not None:
            if held[1] == pid:
                return
            self._watched.pop(name)[0].close()
        if start_ticks:
            identity: Identity | None = Identity(pid, start_ticks, self.identity.boot_id)
        else:
            identity = self.processes.identify(pid)
        watch = None if identity is None else self.processes.watch(identity, lambda: self._fired(name, pid))
        if watch is None:
            self._died(name, pid)
            return
        self._watched[name] = (watch, pid)
        if name == "spawner":
            self.bus.connect(name)

    def _fired(self, name: str, pid: int) -> None:
        held = self._watched.get(name)
        if held is not None and held[1] == pid:
            del self._watched[name]
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
        self.bus.lost(name, self.now())
        for id, (_, to, call) in tuple(self._waiting.items()):
            if to == name:
                del self._waiting[id]
                call(None)

    def found(self, name: str) -> Found:
        """What a role's lock file and /proc say of it now."""
        here = self.locks.presence(name)
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
    ) -> None:
        """Send a command; `answer` is called once, with None when none came in `timeout` seconds or `to` died."""
        now = self.now()
        self._asked_count += 1
        id = f"{self.me}-{self.incarnation}-{self._asked_count}"
        sent = self.bus.send(to, Ask(id, verb, args, self.me, 0, now + timeout))
        if answer is not None:
            self._waiting[id] = (now + timeout, to, answer)
            self.after(timeout, lambda: self._unanswered(id))
        if not sent and not self._resending:
            self._resending = True
            self.after(RETRY_S, self._resend)

    def _resend(self) -> None:
        self._resending = self.bus.resend(self.now())
        if self._resending:
            self.after(RETRY_S, self._resend)

    def _unanswered(self, id: str) -> None:
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            waiting[2](None)

    def _asked(self, address: bytes, ask: Ask) -> None:
        """Refuse the late, the repeated and what is for another; answer what is wrong with a message.

        What a handler raises is no fault of the message: it ends this process, and the others bring the member back.
        """
        if (ask.deadline and self.now() > ask.deadline) or ask.incarnation not in (0, self.incarnation):
            return
        if ask.id in self._taken:
            return
        self._taken[ask.id] = None
        if len(self._taken) > ASKS_KEPT:
            del self._taken[next(iter(self._taken))]
        handler = self._handlers.get(ask.verb)
        if handler is None:
            self.bus.reply(address, Reply(ask.id, False, error=f"{self.me} takes no command {ask.verb}"))
            return
        try:
            args = msgspec.convert(ask.args, VERBS[ask.verb].args)
        except UNDECODABLE as error:
            self.bus.reply(address, Reply(ask.id, False, error=f"{ask.verb}: {error}"))
            return
        reply = handler(args, Asked(ask.id, ask.sender, address))
        if reply is not None:
            self.bus.reply(address, reply)

    def ask_itself(self, verb: str, args: msgspec.Struct) -> Reply | None:
        """What this very member answers to a command."""
        return self._handlers[verb](args, Asked("", self.me, b""))

    def _status(self, args: Nothing, asked: Asked) -> Reply:
        return Reply(asked.id, True, to_plain(self.duty.extend(viewing.view(self))))

    def _beat_sent(self, args: BeatSent, asked: Asked) -> None:
        self._hear(decode_beat(args.beat))

    def _resign_asked(self, args: Reason, asked: Asked) -> Reply:
        self.resign(args.reason)
        return Reply(asked.id, True)

    def _vote(self, args: Vote, asked: Asked) -> None:
        self.effects.ballot(args, asked)

    # --- what is written

    def wall_iso(self, at: float | None = None) -> str:
        """Seconds since 1970 as people read them; now without any."""
        return wall_iso(self.wall() if at is None else at)

    def write_down(self) -> None:
        """At once, for a command that is answered only then: the records, and after them the rows."""
        if self.audit.flush():
            self.store.flush()

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
        if self.playbooks.over and not self.store.pending:
            self.playbooks.stored()
        self.syncer.wrote(now)
        self.syncer.tend(now)
        if (self.audit.pending or self.store.pending) and not self._retrying:
            self._retrying = True
            trouble = self.audit.degraded or self.store.degraded
            self.after(self.interval if trouble else RETRY_S, self._retry)

    def _retry(self) -> None:
        """The turn of the loop in which this timer fires tries again."""
        self._retrying = False
