"""One member process in the simulator: the shell of graced.members.shell, mirrored in virtual time.

A turn takes one event in, does the core's actions, publishes a heartbeat if one is wanted, then writes the audit
records and then the store. A process may be made to die between any two of these (`crash_in`).
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from graced.core import engine, member
from graced.core.state import INFINITY, State, new_state
from graced.core.vocabulary import (
    Action,
    Beat,
    Died,
    Event,
    Found,
    Heard,
    LeaseAcked,
    LeaseGiven,
    LeaseTaken,
    Ready,
    Record,
    Resumed,
    Stopping,
    Tick,
)
from graced.sim.machine import Process, RoleRecord
from graced.sim.wires import Question
from graced.spec.roles import others

if TYPE_CHECKING:
    from graced.sim.world import World

BOOT_S: Final = (0.002, 0.006)  # from the fork to the try for the role lock
CLAIM_RETRY_S: Final = 0.004
CLAIM_PATIENCE_S: Final = 0.2
WAKE_S: Final = 0.0001  # no loop turns faster
PUBLISH_S: Final = 0.0001


class Member:
    """`linked`: its sockets are connected both ways. `crash_in`: effects that are left before it dies; -1: it lives."""

    def __init__(self, world: "World", role: str, process: Process, floor: int, fresh: bool) -> None:
        self.world, self.role, self.process = world, role, process
        self.floor, self.fresh = floor, fresh
        self.core: State
        self.linked = False
        self.crash_in = -1
        self.questions: list[Question] = []
        self.watched: dict[str, int] = {}
        self.stopped_holders: dict[str, tuple[int, float]] = {}
        self.heard_at: dict[int, float] = {}  # pid -> when it was last heard; for the checkers, the core has its own
        self.gaps: dict[int, tuple[float, float]] = {}  # pid -> the last long silence, and when it ended
        self.revoked: dict[str, float] = {}  # incident -> when its powers were given back
        self.claimed = self.came_up = self.struck = False
        self._events: deque[Event] = deque()
        self._records: list[Record] = []
        self._writes: list[Action] = []
        self._beat_wanted = False
        self._publishing = False
        self._wake = INFINITY
        self._seq = 0
        self._said: tuple[Any, ...] = ()
        self._told: tuple[Any, ...] = ({}, (), ())

    def __repr__(self) -> str:
        return repr(self.process)

    # --- birth

    def boot(self, delay: float | None = None) -> None:
        clock = self.world.clock
        delay = self.world.random.uniform(*BOOT_S) if delay is None else delay
        clock.after(delay, self.process.deliver, self._claim, clock.now + delay + CLAIM_PATIENCE_S)

    def _claim(self, give_up: float) -> None:
        world = self.world
        if self.role in world.broken:
            world.end(self.process, f"{self.role} cannot be imported")
        elif world.machine.claim(self.role, self.process):
            self._be()
        elif world.clock.now >= give_up:
            world.end(self.process, "the role is held by another")
        else:
            world.clock.after(CLAIM_RETRY_S, self.process.deliver, self._claim, give_up)

    def _be(self) -> None:
        world, process = self.world, self.process
        incarnation = 1 + max(world.machine.record(self.role).incarnation, self.floor)
        world.machine.records[self.role] = RoleRecord(process.pid, process.ticks, incarnation)
        self.core = new_state(
            self.role, process.pid, incarnation, world.timing, world.policy, world.playbooks, world.clock.now,
            fresh=self.fresh,
        )  # fmt: skip
        self.claimed = True
        world.claimed(self)
        world.wires.bind(self)
        for name in others(self.role):
            self.take(self.found(name))
        self.take(Resumed(world.store.runs_of(self.role)))
        self.setup()

    def setup(self) -> None:
        """What the role does before it calls itself healthy."""
        self.ready()

    def ready(self) -> None:
        if not self.core.ready:
            data = {"member": self.role, "pid": self.process.pid, "incarnation": self.core.incarnation}
            self._records.append(Record("member.started", data))
            self.came_up = True
            self.take(Ready())
            self.world.became_ready(self)

    # --- turns

    def take(self, event: Event) -> None:
        """One event, and those that come of its actions at once."""
        events = self._events
        events.append(event)
        if len(events) > 1:
            return
        world = self.world
        while events:
            event = events[0]
            self.core, actions = member.step(self.core, event, world.clock.now)
            if world.trace is not None:
                world.trace(self, event, actions)
            for action in actions:
                self.act(action)
                if not self.process.alive:
                    return
            events.popleft()
        self.end_turn()

    def hear(self, event: Heard) -> None:
        """A heartbeat comes in."""
        pid, now = event.beat.pid, self.world.clock.now
        last = self.heard_at.get(pid)
        if last is not None and now - last > self.world.timing.timeout / 2:
            self.gaps[pid] = (now - last, now)
        self.heard_at[pid] = now
        self.take(event)

    def follow(self, event: Event) -> None:
        """An event that comes of an action; it is taken in after the actions that are being done."""
        self._events.append(event)

    def act(self, action: Action) -> None:
        if self.crash_in >= 0 and self._crashed():
            return
        self.world.effects[type(action)](self, action)

    def _crashed(self) -> bool:
        """Counts down to a death between two effects."""
        self.crash_in -= 1
        if self.crash_in >= 0:
            return False
        self.world.fault(self.process, "dies midway")
        return True

    def keep_record(self, action: Record) -> None:
        self._records.append(action)

    def keep_write(self, action: Action) -> None:
        self._writes.append(action)

    def want_beat(self, *, urgent: bool) -> None:
        if urgent:
            self._publish()
        else:
            self._beat_wanted = True

    def end_turn(self) -> None:
        """Publish, write, and see when the core is to be woken."""
        if self._beat_wanted and not self._publishing:
            self._publishing = True
            self.world.clock.after(PUBLISH_S, self.process.deliver, self._publish)
        if self._records or self._writes:
            self._flush()
        self._set_wake()

    def _flush(self) -> None:
        if self.crash_in >= 0 and self._crashed():
            return
        records, self._records = self._records, []
        for record in records:
            self.world.recorded(self, record)
        if self.crash_in >= 0 and self._crashed():
            return
        writes, self._writes = self._writes, []
        for action in writes:
            self.world.store.write(self.role, action, self.world.clock.now)

    def _set_wake(self) -> None:
        due = self.core.due
        if due < self._wake and due < self.world.next_round - WAKE_S:
            self._wake = due
            self.world.clock.at(max(due, self.world.clock.now + WAKE_S), self.process.deliver, self._woken, due)

    def _woken(self, due: float) -> None:
        if due != self._wake:
            return
        self._wake = INFINITY
        if self.world.clock.now >= self.core.due:
            self.take(Tick())
        else:
            self._set_wake()

    def _look_for_stop(self) -> None:
        if self.core.stopping != self.world.stopping:
            self.take(Stopping(self.world.stopping))

    def round(self) -> None:
        """The interval's own heartbeat."""
        self._look_for_stop()
        if self.world.clock.now >= self.core.due - WAKE_S:
            self.take(Tick())
        if self.process.alive:
            self.tend()
            self._publish()
            self._set_wake()

    def tend(self) -> None:
        """What the role does once an interval."""

    def thawed(self) -> None:
        self._wake = INFINITY
        self.round()

    # --- heartbeats

    def _publish(self) -> None:
        self._publishing = self._beat_wanted = False
        if self.linked:
            self.world.wires.publish(self)

    def beat(self) -> Beat:
        core = self.core
        if core.said is not self._said or not self._seq:
            hears = {p.name: p.incarnation for p in core.peers.values() if p.heard and not p.down}
            self._told = (hears, tuple(engine.note_of(r) for r in core.runs.values()), tuple(core.held))
            self._said = core.said
        self._seq += 1
        hears, runs, leases = self._told
        phase = "healthy" if core.ready else "starting"
        pid, ticks = self.process.pid, self.process.ticks
        return Beat(
            self.role, pid, ticks, core.incarnation, self._seq, phase, 0.0, core.born, hears, runs, leases
        )  # fmt: skip

    # --- watching

    def found(self, name: str) -> Found:
        record = self.world.machine.record(name)
        status = self.world.machine.status(record.pid, record.start_ticks)
        return Found(name, record.pid, record.start_ticks, record.incarnation, status)

    def watch(self, name: str, pid: int, start_ticks: int) -> None:
        if self.watched.get(name) == pid:
            return
        self.watched[name] = pid
        machine = self.world.machine
        machine.watch(machine.find(pid, start_ticks), self.process, self._died, name, pid)

    def _died(self, name: str, pid: int) -> None:
        if self.watched.get(name) != pid:
            return
        del self.watched[name]
        for question in tuple(self.questions):
            if question.to == name:
                self.answered(question, None)
        self._look_for_stop()
        self.take(Died(name, pid))

    # --- commands

    def answered(self, question: Question, reply: Any) -> None:
        if question.done:
            return
        question.done = True
        self.questions.remove(question)
        question.answer(reply)

    @property
    def patience(self) -> float:
        return max(1.0, 4 * self.core.timing.interval)

    def tell(self, to: str, event: Event, patience: float) -> None:
        """Have `event` taken in by the holder of a role."""
        self.world.wires.tell(self, to, patience, lambda receiver: receiver.take(event))

    def tell_lease(self, agent: str, event: LeaseGiven | LeaseTaken) -> None:
        sent = self.world.clock.now
        if isinstance(event, LeaseGiven):
            self.world.granted_at[agent, event.lease.incident] = sent

        def taken(receiver: "Member") -> None:
            receiver.lease(event, self.role, self.world.clock.now - sent)

        self.world.wires.tell(self, agent, self.patience, taken)

    def lease(self, event: LeaseGiven | LeaseTaken, sender: str, age: float) -> None:
        """A grant or a revocation: take it in, and say what is held then."""
        if isinstance(event, LeaseGiven):
            if event.lease.incarnation != self.core.incarnation:
                return
            incident = event.lease.incident
            event = LeaseGiven(replace(event.lease, ttl=event.lease.ttl - age))
        else:
            incident = event.incident
        self.take(event)
        if isinstance(event, LeaseTaken):
            self.revoked[incident] = self.world.clock.now
        self.world.leased(self)
        self.tell(sender, LeaseAcked(self.role, incident, incident in self.core.held), self.patience)

    def command(self, call: Callable[[], None]) -> None:
        """A command of this role's own, done within a turn."""
        call()
        if self.process.alive:
            self.end_turn()
