"""One simulated home: the machine, the bus, the disk, the members and the kernels, and the person who starts it."""

import errno
from collections.abc import Callable
from random import Random
from typing import Any, Final

from msgspec import Struct

from graced.bus.protocol import Ask, Reply
from graced.core.orders import Exit
from graced.core.vocabulary import Event, MemberAction, Perform, Timing
from graced.members.birth import Newborn
from graced.members.shell import LOST_EXIT
from graced.sim.attempts import Kept, Key
from graced.sim.checks.base import Check
from graced.sim.clock import Clock
from graced.sim.disk import HOME_ID, Books, Disk, Entry
from graced.sim.home import KERNELS, TIMINGS, config_of, policy_of
from graced.sim.machine import Machine, Process
from graced.sim.member import Member
from graced.sim.sources import Sources
from graced.sim.wires import Wires
from graced.spec.playbook import Playbook

PERSON_S: Final = (0.3, 1.0)  # until somebody sees that no member is alive and starts graced again
POLITE_S: Final = (0.005, 0.05)  # of a kernel that ends when it is told to
WALL: Final = 1_800_000_000.0  # seconds since 1970 at the virtual time 0

Trace = Callable[[Member, Event, tuple[MemberAction, ...]], None]


class Manners(Struct):
    """How a kernel behaves: `crashing` until a moment it dies soon after each start; `stubborn`: it ignores TERM.

    `missing`: until a moment no birth succeeds, `wanting`: for want of something. `leaves`: a child of it, in a session
    of its own, outlives it.
    """

    crashing: float = 0.0
    missing: float = 0.0
    wanting: bool = False
    stubborn: bool = False
    leaves: bool = False

    def wants(self, now: float) -> bool:
        """Does a birth fail now for want of something?"""
        return self.wanting and now < self.missing


class World:
    """Everything that one seed makes. `checks` are told of all that happens; they raise Breach."""

    def __init__(self, seed: int, playbooks: dict[str, Playbook], checks: tuple[Check, ...]) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.timing: Timing = random.choice(TIMINGS)
        self.policy = policy_of(4.0, 4 * self.timing.interval)
        self.kernel_policy = policy_of(random.choice((2.0, 6.0)), 1.0)
        self.config = config_of(self.timing, self.policy, self.kernel_policy)
        self.playbooks = playbooks
        self.specs = self.config.kernels
        self.manners = {
            name: Manners(stubborn=random.random() < 0.2, leaves=random.random() < 0.2) for name in self.specs
        }
        self.clock = Clock(1000.0 + random.random())
        self.disk = Disk()
        self.reader = Books(None, self.disk)
        self.sources = Sources(tuple(path for spec in KERNELS for path in spec.sources))
        self.source_watchers: list[tuple[Process, Callable[[], None]]] = []
        self.attempts: dict[Key, Kept] = {}
        self.attempt_notes: dict[Key, bytes] = {}
        self.machine = Machine(self.clock, random, self._died)
        self.wires = Wires(self.clock, random)
        self.members: dict[int, Member] = {}
        self.kernels: dict[str, Process] = {}
        self.broken: set[str] = set()
        self.stops = 0  # `graced stop`s that were announced so far
        self.stopping = False  # one is announced, and has not died
        self.granted_at: dict[tuple[str, str], float] = {}  # (agent, incident) -> when a grant was last sent
        self.crashes = 0  # records and writes that may be lost with members that died before they were written
        self.checks = checks
        self.trace: Trace | None = None
        self.say: Callable[[str], None] | None = None
        self._asks = 0
        self._alone_since: float | None = None
        for check in checks:
            check.begin(self)

    # --- time

    def wall(self, at: float | None = None) -> float:
        return WALL + (self.clock.now if at is None else at)

    def start(self) -> None:
        """`graced start` by a person."""
        self.tell("a person starts graced")
        self.newborn(self.birth("spawner", fresh=True), None).boot(self.random.uniform(0.15, 0.25))

    def keep_rounds(self) -> None:
        """Once an interval the checkers look at everything."""
        self.clock.after(self.timing.interval, self._round)

    def _round(self) -> None:
        self.clock.after(self.timing.interval, self._round)
        self.wires.calm()
        self._see_whether_alone()
        for check in self.checks:
            check.round()

    def announce_stop(self) -> int:
        """A person stops graced; the number is for who withdraws it again."""
        self.stops += 1
        self.stopping = True
        return self.stops

    def withdraw_stop(self, number: int) -> None:
        """That stop died midway; a later one still counts. What ended meanwhile is no failure of its own."""
        if number == self.stops:
            self.stopping = False
            self.asked("stop", tuple(self.specs))

    def _see_whether_alone(self) -> None:
        """When nothing of graced runs any more, somebody starts it again."""
        if self.stopping or any(m.process.life == "running" for m in self.members.values()):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self.clock.now + self.random.uniform(*PERSON_S)
        elif self.clock.now >= self._alone_since:
            self._alone_since = None
            for process in [m.process for m in self.members.values()]:
                self.machine.kill(process)
            self.asked("stop", tuple(self.specs))
            self.asked("anew", ())
            self.start()

    # --- members

    def birth(self, role: str, floor: int = 0, *, fresh: bool = False) -> Newborn:
        return Newborn(role, floor, fresh, self.playbooks, self.config, HOME_ID)

    def newborn(self, birth: Newborn, parent: Process | None) -> Member:
        newborn = Member(self, self.machine.fork(birth.role, parent), birth)
        self.members[newborn.process.pid] = newborn
        for check in self.checks:
            check.forked(newborn)
        return newborn

    def claimed(self, member: Member, incarnation: int) -> None:
        for check in self.checks:
            check.claimed(member, incarnation)

    def became_ready(self, member: Member) -> None:
        for check in self.checks:
            check.became_ready(member)

    def leased(self, member: Member) -> None:
        for check in self.checks:
            check.leased(member)

    def recorded(self, member: Member, kind: str, data: dict[str, Any]) -> None:
        entry = Entry(self.clock.now, member.role, member.process.pid, member.shell.incarnation, kind, data)
        self.disk.audit.append(entry)
        for check in self.checks:
            check.recorded(entry)

    def stored(self, member: Member) -> None:
        """What the member had queued for state.db is in it."""
        for check in self.checks:
            check.stored(member)

    def role_process(self, role: str) -> Process | None:
        """Who holds the role now."""
        pid = self.machine.role_locks.get(role)
        return self.machine.processes.get(pid) if pid is not None else None

    # --- deaths

    def signal(self, process: Process, by: Member, number: int) -> None:
        """A member signals a process."""
        if number == 9:
            self.kill(process, by, by.last_words)
        elif number == 18:
            self.machine.thaw(process)
        elif process.name in self.manners and process.life == "running":
            self.terminate(process, number)

    def kill(self, process: Process, by: Member, why: str) -> None:
        """A member kills a process."""
        self.tell(f"{by} kills {process} ({process.life}): {why}")
        if process.member is not None:
            for check in self.checks:
                check.killed(process, by, why)
        self.machine.kill(process)

    def fault(self, process: Process, why: str) -> None:
        """The simulated world kills a process."""
        self.tell(f"FAULT {process} {why}")
        self.machine.kill(process)

    def end(self, process: Process, code: int, why: str) -> None:
        """A process ends by itself."""
        self.tell(f"{process} ends: {why}")
        process.exit = Exit(code=code)
        self.machine.kill(process)

    def exited(self, member: Member, code: int) -> None:
        """Its loop ended."""
        if code == LOST_EXIT:
            for check in self.checks:
                check.resigned(member, member.last_words)
        self.end(member.process, code, member.last_words)

    def _died(self, process: Process) -> None:
        member = self.members.pop(process.pid, None)
        if member is not None:
            self.wires.lost(member)
            if member.begun:  # what it could not write yet is lost
                lost = member.outside.audit.pending + member.outside.store.pending
                self.crashes += lost
                if lost:
                    self.asked("forget", tuple(self.specs))
        elif self.kernels.get(process.name) is process:
            del self.kernels[process.name]
        for check in self.checks:
            check.died(process)

    def thaw(self, process: Process) -> None:
        """SIGCONT, or the end of a hang."""
        if process.life in ("stopped", "hung"):
            self.tell(f"{process} goes on")
            self.machine.thaw(process)

    # --- kernels

    def launch(self, kernel: str, run: int, spawner: Process) -> Process:
        """A run is born. Raises OSError when its program is missing."""
        manners, now = self.manners[kernel], self.clock.now
        for check in self.checks:
            check.launched(kernel, run)
        if now < manners.missing:
            if manners.wanting:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            raise FileNotFoundError(2, f"command {kernel}: no such file")
        process = self.machine.fork(kernel, spawner)
        process.marks = (kernel, str(run))
        self.tell(f"run {run} of {kernel} is pid {process.pid}")
        self.kernels[kernel] = process
        if manners.leaves:
            daemon = self.machine.fork(f"{kernel}'s daemon", process)
            daemon.marks = process.marks
        failure = self.sources.failure(self.specs[kernel].sources)
        if now < manners.crashing or failure:
            self.disk.logs[kernel] = (failure, self.wall())
            self.clock.after(self.random.uniform(0.001, 0.03), self.exit_kernel, process, Exit(code=1))
        elif self.specs[kernel].ready.when == "exited":
            self.clock.after(self.random.uniform(0.02, 0.1), self.exit_kernel, process, Exit(code=0))
        return process

    def exit_kernel(self, process: Process, exit: Exit) -> None:
        if process.alive:
            process.exit = exit
            self.machine.kill(process)

    def terminate(self, process: Process, signal: int) -> None:
        """A kernel is told to end; a stubborn one does not."""
        if not self.manners[process.name].stubborn:
            self.clock.after(self.random.uniform(*POLITE_S), self.exit_kernel, process, Exit(signal=signal))

    def stop_command(self, kernel: str, spawner: Process) -> Process:
        """It ends by itself after a while, and tells its kernel to end."""
        command = self.machine.fork("stop.command", spawner)
        self.clock.after(self.random.uniform(0.01, 0.6), self.exit_kernel, command, Exit(code=0))
        process = self.kernels.get(kernel)
        if process is not None:
            self.terminate(process, 15)
        return command

    def change_source(self, path: str, text: str) -> None:
        self.tell(f"{path}: {self.sources.files[path]} -> {text}")
        self.sources.write(path, text)
        self.source_watchers = [(watcher, changed) for watcher, changed in self.source_watchers if watcher.alive]
        for _, changed in self.source_watchers:
            changed()

    def kernels_of(self, path: str) -> tuple[str, ...]:
        return tuple(name for name, spec in self.specs.items() if path in spec.sources)

    def performed(self, key: Key, action: Perform) -> None:
        for check in self.checks:
            check.performed(key, action)

    # --- people and commands

    def person(self, to: str, verb: str, args: dict[str, Any]) -> bool:
        """A command as the command line sends it; False when nobody is there to take it."""
        self._asks += 1
        ask = Ask(f"person-{self._asks}", verb, args, "cli", 0, self.clock.now + 5.0)
        return self.wires.send(None, "person", to, ask)

    def taken(self, member: Member, address: bytes, ask: Ask) -> None:
        """A command reached its member."""
        for check in self.checks:
            check.taken(member, ask)
        if ask.sender == "cli" and ask.verb.startswith("kernels."):
            self.asked(ask.verb.removeprefix("kernels."), _names(ask))
        elif ask.verb == "kernels.restart":  # of a playbook
            self.asked("restart", _names(ask))
        elif ask.verb == "kernel.mended":
            self.asked("mended", tuple(name for path in ask.args["paths"] for name in self.kernels_of(path)))
        elif ask.verb == "kernel.renew":
            self.asked("mended", tuple(ask.args["names"]))

    def replied(self, member: Member, address: bytes, reply: Reply) -> None:
        for check in self.checks:
            check.replied(member, address, reply)

    def sent(self, member: Member, to: str, ask: Ask) -> None:
        if ask.verb == "grant":
            self.granted_at[to, ask.args["lease"]["incident"]] = self.clock.now

    def asked(self, what: str, names: tuple[str, ...]) -> None:
        """Somebody has a say: starts, stops, restarts; or sources were mended."""
        for check in self.checks:
            check.asked(what, names)

    # --- words

    def tell(self, text: str) -> None:
        if self.say is not None:
            self.say(text)


def _names(ask: Ask) -> tuple[str, ...]:
    """What a command names; nothing, where it is not as it should be."""
    names = ask.args.get("names")
    return tuple(names) if isinstance(names, list) else ()
