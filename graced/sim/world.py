"""One simulated home: the machine, the bus, the disk, the members and the kernels, and the person who starts it."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from msgspec import Struct

from graced.core.intensity import Policy
from graced.core.kernels import view
from graced.core.orders import Exit
from graced.core.vocabulary import Action, Event, Record, Timing
from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.sim.clock import Clock
from graced.sim.effects import EFFECTS
from graced.sim.healing import Healing
from graced.sim.machine import Call, Machine, Process
from graced.sim.member import Member
from graced.sim.spawner import Spawner
from graced.sim.store import Entry, Store
from graced.sim.wires import Wires
from graced.spec.config import Dependency, ExitCodes, Ready, Stop
from graced.spec.config import Kernel as Spec
from graced.spec.playbook import Playbook
from graced.spec.roles import MEMBERS

ROUND_S: Final = 0.0003  # a round comes a moment after the multiple of the interval
PERSON_S: Final = (0.3, 1.0)  # until somebody sees that no member is alive and starts graced again
POLITE_S: Final = (0.005, 0.05)  # of a kernel that ends when it is told to

TIMINGS: Final = (  # interval, timeout, emergency_confirm: in seconds
    Timing(0.1, 1.0, 1.0, 0.5),
    Timing(0.1, 1.0, 1.0, 2.0),
    Timing(0.1, 0.3, 1.0, 0.2),
    Timing(0.1, 4.0, 1.0, 6.0),
    Timing(0.25, 2.0, 2.0, 1.0),
    Timing(1.0, 5.0, 5.0, 5.0),
)

KERNELS: Final = (
    Spec("web", ("web",), stop=Stop(timeout_s=1.0)),
    Spec("job", ("job",), restart="on-failure", exit_codes=ExitCodes((0,), (3,)), stop=Stop(timeout_s=1.0)),
    Spec("db", ("db",), critical=True, stop=Stop(timeout_s=1.0)),
    Spec("api", ("api",), depends_on=(Dependency("db"),), stop=Stop(timeout_s=1.0)),
    Spec("init", ("init",), restart="on-failure", ready=Ready(when="exited")),
)

CLASSES: Final[dict[str, type[Member]]] = {"spawner": Spawner, "self_healing": Healing}

Trace = Callable[[Member, Event, tuple[Action, ...]], None]


class Manners(Struct):
    """How a kernel behaves: `crashing` until a moment it dies soon after each start; `missing`: until a moment no birth
    succeeds, `wanting`: for want of something. `stubborn`: it ignores TERM."""

    crashing: float = 0.0
    missing: float = 0.0
    wanting: bool = False
    stubborn: bool = False


class World:
    """Everything that one seed makes. `checks` are told of all that happens; they raise Breach."""

    def __init__(self, seed: int, playbooks: dict[str, Playbook], checks: tuple[Check, ...]) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.timing = self.random.choice(TIMINGS)
        self.policy = Policy(window=4.0, max=4 * self.timing.interval)
        self.kernel_policy = Policy(window=self.random.choice((2.0, 6.0)), max=1.0)
        self.playbooks = playbooks
        self.specs = {spec.name: spec for spec in KERNELS}
        self.manners = {spec.name: Manners(stubborn=self.random.random() < 0.2) for spec in KERNELS}
        self.clock = Clock(1000.0 + self.random.random())
        self.machine = Machine(self.clock, self.random, self._died)
        self.wires = Wires(self.clock, self.random)
        self.store = Store()
        self.members: dict[int, Member] = {}
        self.kernels: dict[str, Process] = {}
        self.effects = EFFECTS
        self.broken: set[str] = set()
        self.stops = 0  # `graced stop`s that were announced so far
        self.stopping = False  # one is announced, and has not died
        self.granted_at: dict[tuple[str, str], float] = {}  # (agent, incident) -> when a grant was last sent
        self.crashes = 0  # members that were made to die between two effects: each may leave one record or write undone
        self.checks = checks
        self.trace: Trace | None = None
        self.say: Callable[[str], None] | None = None
        self.next_round = 0.0
        self._alone_since: float | None = None
        for check in checks:
            check.begin(self)

    # --- time

    def start(self) -> None:
        """`graced start` by a person."""
        self.tell("a person starts graced")
        self.newborn("spawner", 0, fresh=True).boot(self.random.uniform(0.15, 0.25))

    def keep_rounds(self) -> None:
        """Begin the intervals' own beats."""
        interval = self.timing.interval
        self.next_round = (self.clock.now // interval + 1) * interval + ROUND_S
        self.clock.at(self.next_round, self._round)

    def _round(self) -> None:
        self.next_round = self.next_round + self.timing.interval
        self.clock.at(self.next_round, self._round)
        self.wires.calm()
        for member in tuple(self.wires.bound.values()):
            if member.process.life == "running":
                member.round()
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
            self.start()

    # --- members

    def newborn(self, role: str, floor: int, *, fresh: bool) -> Member:
        process = self.machine.fork(role)
        newborn = CLASSES.get(role, Member)(self, role, process, floor, fresh)
        self.members[process.pid] = newborn
        for check in self.checks:
            check.forked(newborn)
        return newborn

    def claimed(self, member: Member) -> None:
        for check in self.checks:
            check.claimed(member)

    def became_ready(self, member: Member) -> None:
        for check in self.checks:
            check.became_ready(member)

    def leased(self, member: Member) -> None:
        for check in self.checks:
            check.leased(member)

    def recorded(self, member: Member, record: Record) -> None:
        entry = Entry(
            self.clock.now, member.role, member.process.pid, member.core.incarnation, record.kind, record.data
        )
        self.store.audit.append(entry)
        for check in self.checks:
            check.recorded(entry)

    def role_process(self, role: str) -> Process | None:
        """Who holds the role now."""
        pid = self.machine.role_locks.get(role)
        return self.machine.processes.get(pid) if pid is not None else None

    # --- deaths

    def kill(self, process: Process, by: Member, why: str) -> None:
        """graced itself kills a process."""
        self.tell(f"{by} kills {process} ({process.life}): {why}")
        for check in self.checks:
            check.killed(process, by, why)
        self.machine.kill(process)

    def fault(self, process: Process, why: str) -> None:
        """The simulated world kills a process."""
        self.tell(f"FAULT {process} {why}")
        self.machine.kill(process)

    def end(self, process: Process, why: str) -> None:
        """A process ends by itself."""
        self.tell(f"{process} ends: {why}")
        process.exit = Exit(code=1)
        self.machine.kill(process)

    def resigned(self, member: Member, reason: str) -> None:
        for check in self.checks:
            check.resigned(member, reason)
        self.end(member.process, reason)

    def _died(self, process: Process) -> None:
        member = self.members.pop(process.pid, None)
        if member is not None:
            self.wires.lost(member)
        elif self.kernels.get(process.name) is process:
            del self.kernels[process.name]
        for check in self.checks:
            check.died(process)

    def thaw(self, process: Process) -> None:
        """SIGCONT, or the end of a hang: its timer and what came meanwhile are due, one first or the other."""
        if process.life not in ("stopped", "hung"):
            return
        self.tell(f"{process} goes on")
        inbox = self.machine.thaw(process)
        timer: list[Call] = []
        member = self.members.get(process.pid)
        if member is not None and member.linked:
            timer = [(member.thawed, ())]
        timer_first = self.random.random() < 0.5
        for call, args in (timer + inbox) if timer_first else (inbox + timer):
            process.deliver(call, *args)

    # --- kernels

    def launch(self, kernel: str, run: int) -> Process | None:
        """A run is born, unless its program is missing."""
        manners, now = self.manners[kernel], self.clock.now
        for check in self.checks:
            check.launched(kernel, run)
        if now < manners.missing:
            return None
        if kernel in self.kernels:
            raise Breach("one of each", f"run {run} of {kernel} is started while {self.kernels[kernel]} is alive")
        process = self.machine.fork(kernel)
        self.tell(f"run {run} of {kernel} is pid {process.pid}")
        self.kernels[kernel] = process
        if now < manners.crashing:
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

    def asked(self, what: str, names: tuple[str, ...]) -> None:
        """self_healing has taken a person's wish."""
        for check in self.checks:
            check.asked(what, names)

    # --- words

    def tell(self, text: str) -> None:
        if self.say is not None:
            self.say(text)

    def unsettled(self) -> str:
        """Why the world is not as it should be at rest; empty when it is."""
        for role in MEMBERS:
            member = self.wires.bound.get(role)
            if member is None:
                return f"{role} is not there"
            why = unrest(member, self)
            if why:
                return f"{member}: {why}"
        # (A stopped one is no harm: when it goes on it finds its role taken and ends.)
        losers = [m for m in self.members.values() if not m.claimed and m.process.life == "running"]
        if losers:
            return f"processes without a role are left: {losers}"
        if self.machine.restart_locks:
            return f"restart locks are held: {self.machine.restart_locks}"
        if self.store.runs:
            return f"runs are left in the store: {', '.join(self.store.runs)}"
        return _unsettled_kernels(self)


def unrest(member: Member, world: World) -> str:
    """Why one member is not at rest."""
    core = member.core
    if member.process.life != "running":
        return member.process.life
    if not core.ready:
        return "is not ready"
    for peer in core.peers.values():
        actual = world.wires.bound.get(peer.name)
        if peer.state != "healthy" or actual is None or peer.pid != actual.process.pid:
            return f"holds {peer.name} for {peer.state} {peer.evidence} (pid {peer.pid})"
    left: dict[str, Any] = {
        "runs": core.runs, "restarts": core.restarts, "votes": core.votes, "grants": core.grants, "powers": core.held,
        "an emergency": core.emergency,
    }  # fmt: skip
    return next((f"has {what} left: {value}" for what, value in left.items() if value), "")


def _unsettled_kernels(world: World) -> str:
    healing = world.wires.bound["self_healing"]
    assert isinstance(healing, Healing)
    if healing.synced != world.wires.bound["spawner"].core.incarnation:
        return "self_healing is not in step with the spawner"
    for kernel in healing.kernels.values():
        name, word = kernel.name, view.state(kernel)
        process = world.kernels.get(name)
        pid = kernel.run.pid if kernel.alive else 0
        if (process.pid if process else 0) != pid:
            return f"{name} is {process}, self_healing believes pid {pid}"
        due = kernel.wanted and word not in ("failed", "exited") and healing.may_run(name)
        if due and process is None:
            return f"{name} is wanted and not alive ({word}: {view.reason(kernel)})"
        if not due and process is not None:
            return f"{name} is not wanted and alive ({word})"
    return ""
