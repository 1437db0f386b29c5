"""`Simulated`: everything that one simulated member process reaches the world by (graced.members.outside).

Every call that does something to the world is a point at which the process may die (`touch`).
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from graced.bus.protocol import Ask, Reply
from graced.core.vocabulary import Beat
from graced.home.locks import LockRecord
from graced.home.paths import Home
from graced.home.presence import Presence
from graced.members.birth import Newborn
from graced.members.timers import Timers
from graced.posix.proc import Identity, Status
from graced.sim.attempts import Attempts
from graced.sim.disk import Audit, Books, Files, Slots
from graced.sim.machine import Process
from graced.sim.trees import Outputs, Trees
from graced.sim.workers import Workers

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from graced.sim.member import Member

Call = Callable[[], None]

HOME: Final = Home("/simulated")
UNSENT_MAX: Final = 256
COLD_S: Final = (0.15, 0.25)  # a spawner from nothing to its role lock


class Killed(BaseException):
    """The process died in the middle of its turn."""


class Bus:
    """One member's end. `current`: its last heartbeat."""

    def __init__(self, member: "Member") -> None:
        self._member, self._wires = member, member.world.wires
        self.current: Beat | None = None
        self.heard: list[Beat] = []
        self.asked: list[tuple[bytes, Ask]] = []
        self.answered: list[Reply] = []
        self._unsent: deque[tuple[str, Ask]] = deque(maxlen=UNSENT_MAX)

    def publish(self, beat: Beat) -> None:
        self._member.touch()
        self.current = beat
        self._wires.publish(self._member, beat)

    def welcome(self) -> None: ...

    def subscribers(self) -> None: ...

    def asks(self) -> Iterator[tuple[bytes, Ask]]:
        asked, self.asked = self.asked, []
        for address, ask in asked:
            self._member.world.taken(self._member, address, ask)
            yield address, ask

    def replies(self) -> Iterator[Reply]:
        answered, self.answered = self.answered, []
        return iter(answered)

    def beats(self) -> Iterator[Beat]:
        heard, self.heard = self.heard, []
        for beat in heard:
            self._member.note_heard(beat)
            yield beat

    def follow(self, peer: str) -> None: ...

    def connect(self, peer: str) -> None: ...

    def rebind(self) -> None: ...

    def tend(self, now: float) -> None: ...

    def greet(self, peer: str, ask: Ask) -> None:
        self._member.touch()
        self._wires.send(self._member.process, self._member.role, peer, ask)

    def lost(self, peer: str, now: float) -> None:
        self._unsent = deque(((to, ask) for to, ask in self._unsent if to != peer), UNSENT_MAX)

    def send(self, peer: str, ask: Ask) -> bool:
        self._member.touch()
        self._member.world.sent(self._member, peer, ask)
        sent = self._wires.send(self._member.process, self._member.role, peer, ask)
        if not sent:
            self._unsent.append((peer, ask))
        return sent

    def resend(self, now: float) -> bool:
        for _ in range(len(self._unsent)):
            peer, ask = self._unsent.popleft()
            expired = ask.deadline and now >= ask.deadline
            if not expired and not self._wires.send(self._member.process, self._member.role, peer, ask):
                self._unsent.append((peer, ask))
        return bool(self._unsent)

    def reply(self, address: bytes, reply: Reply) -> None:
        self._member.touch()
        world = self._member.world
        world.replied(self._member, address, reply)
        receiver = world.members.get(int(address))
        if receiver is not None:
            self._wires.reply(self._member, receiver, reply)


class Watch:
    def __init__(self, member: "Member", process: Process, died: Call) -> None:
        self._member, self._process, self._died = member, process, died
        self._open = True
        process.watchers.append((member.process, self._fired))

    def _fired(self) -> None:
        if self._open:
            self._open = False
            self._died()

    def signal(self, number: int) -> None:
        if self._open and self._process.alive:
            self._member.touch()
            self._member.world.signal(self._process, self._member, number)

    def close(self) -> None:
        self._open = False


class Processes:
    def __init__(self, member: "Member") -> None:
        self._member, self._world, self._machine = member, member.world, member.world.machine

    def identify(self, pid: int) -> Identity | None:
        process = self._machine.everyone.get(pid)
        if process is None or self._machine.status(process.identity) == "gone":
            return None
        return process.identity

    def status(self, identity: Identity) -> Status:
        return self._machine.status(identity)

    def alive(self, identity: Identity) -> bool:
        return self._machine.find(identity) is not None

    def watch(self, identity: Identity, died: Call, spare: bool = False) -> Watch | None:
        process = self._machine.find(identity)
        return None if process is None else Watch(self._member, process, died)

    def signal(self, identity: Identity, number: int) -> bool:
        process = self._machine.find(identity)
        if process is None:
            return False
        self._member.touch()
        self._world.signal(process, self._member, number)
        return True

    def reap(self) -> list[tuple[int, int]]:
        dead, self._member.process.dead = self._member.process.dead, []
        return [(process.pid, process.wait_status) for process in dead]

    def end_children(self, pids: tuple[int, ...]) -> None:
        for pid in pids:
            process = self._member.process.children.get(pid)
            if process is not None:
                self._machine.kill(process)

    def fork(self, birth: Newborn) -> int:
        self._member.touch()
        newborn = self._world.newborn(birth, self._member.process)
        newborn.boot()
        return newborn.process.pid

    def launch_spawner(self, as_child: bool) -> int:
        self._member.touch()
        newborn = self._world.newborn(self._world.birth("spawner"), self._member.process)
        newborn.boot(self._world.random.uniform(*COLD_S))
        return newborn.process.pid

    def stop_everything(self) -> int:
        raise AssertionError("nobody sends SIGTERM to a simulated spawner")


class Locks:
    def __init__(self, member: "Member") -> None:
        self._member, self._machine = member, member.world.machine

    def still_mine(self) -> bool:
        return True

    def retake(self, incarnation: int) -> bool:
        return True

    def presence(self, role: str) -> Presence:
        record = self._machine.records.get(role)
        return Presence(role, record, "gone" if record is None else self._machine.status(record.identity))

    def _take(self, locks: dict[str, int], name: str) -> bool:
        self._member.touch()
        if name in locks:
            return False
        locks[name] = self._member.process.pid
        return True

    def _drop(self, locks: dict[str, int], name: str) -> None:
        if locks.get(name) == self._member.process.pid:
            del locks[name]

    def _holder(self, locks: dict[str, int], name: str) -> LockRecord | None:
        process = self._machine.processes.get(locks.get(name, 0))
        return None if process is None else LockRecord.of(process.identity)

    def take(self, target: str) -> bool:
        return self._take(self._machine.restart_locks, target)

    def drop(self, target: str) -> None:
        self._drop(self._machine.restart_locks, target)

    def holder(self, target: str) -> LockRecord | None:
        return self._holder(self._machine.restart_locks, target)

    def take_target(self, target: str) -> bool:
        return self._take(self._machine.target_locks, target)

    def drop_target(self, target: str) -> None:
        self._drop(self._machine.target_locks, target)

    def holds_target(self, target: str) -> bool:
        return self._machine.target_locks.get(target) == self._member.process.pid

    def target_holder(self, target: str) -> LockRecord | None:
        return self._holder(self._machine.target_locks, target)

    def stopping(self) -> bool:
        return self._member.world.stopping


class Supervisor:
    """There is none."""

    there = first_process = False
    watchdog_s = None
    worker = 0

    def say(self, *words: str) -> None: ...

    def ask_job(self, timeout: float, done: Callable[[str | None], None]) -> None:
        done(None)

    def unseen(self) -> "AbstractContextManager[None]":
        return nullcontext()


class Syncer:
    """No power is lost here, so nothing need be synced."""

    worker = 0
    due = float("inf")

    def wrote(self, now: float) -> None: ...

    def tend(self, now: float) -> None: ...

    def reaped(self, pid: int) -> None: ...


class Reserve:
    """No descriptor is scarce here."""

    def hold(self) -> bool:
        return True

    def release(self) -> None: ...


class Shelf:
    """No kernel here has sockets."""

    def tend(self, now: float) -> None: ...


class Simulated:
    """`calls`: what `dispatch` has to call; `signals`: that came since."""

    def __init__(self, member: "Member") -> None:
        world = member.world
        self._member, self._clock = member, world.clock
        self.home, self.identity, self.random = HOME, member.process.identity, world.random
        self.timers = Timers(self.now)
        self.bus = member.bus
        self.processes, self.trees, self.locks = Processes(member), Trees(member), Locks(member)
        self.outputs = Outputs()
        self.audit, self.store = Audit(member), Books(member)
        self.slots, self.files, self.syncer = Slots(member), Files(member), Syncer()
        self.workers, self.attempts, self.supervisor = Workers(member), Attempts(member), Supervisor()
        self.calls: list[Call] = []
        self.signals: set[int] = set()
        self._signalled: Callable[[set[int]], None] = lambda numbers: None

    def now(self) -> float:
        return self._clock.now

    def boottime(self) -> float:
        return self._clock.now

    def wall(self) -> float:
        return self._member.world.wall()

    def on_signals(self, call: Callable[[set[int]], None]) -> None:
        self._signalled = call

    def wait(self, until: float) -> bool:
        raise AssertionError("the world waits for its members")

    def came(self) -> bool:
        bus = self.bus
        return bool(bus.heard or bus.asked or bus.answered or self.calls or self.signals)

    def dispatch(self) -> None:
        if self.signals:
            signals, self.signals = self.signals, set()
            self._signalled(signals)
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def say(self, text: str) -> None:
        self._member.last_words = text

    def pause(self) -> None:
        raise AssertionError("the world waits for its members")

    def reserve(self) -> Reserve:
        return Reserve()

    def saying(self) -> None:
        """There is no foreground."""

    def shelf(self, taken: Callable[[str, int], None] | None = None) -> Shelf:
        return Shelf()
