"""self_healing in the simulator: the kernels by the pure rules, in step with the spawner."""

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from graced.core import kernels, ladder
from graced.core.kernel import Evidence, Examine, FixSource, Keep, RestoreSource, Step
from graced.core.kernels import End, GiveOrder, Kernel, Save, Start
from graced.core.orders import Report, Running
from graced.core.state import INFINITY
from graced.core.vocabulary import Action, Event, Stopping
from graced.sim.machine import Process
from graced.sim.member import WAKE_S, Member
from graced.sim.spawner import News, Spawner

if TYPE_CHECKING:
    from graced.sim.world import World

SYNC_RETRY_S: Final = 0.02
EXAMINE_S: Final = (0.001, 0.02)
RESTORE_S: Final = (0.005, 0.2)
EVIDENCE: Final = (
    Evidence(),
    Evidence("SyntaxError: invalid syntax", True, "/src/a.py", ("/src/a.py",), True),
    Evidence("SyntaxError: invalid syntax", True, "/elsewhere.py", ("/elsewhere.py",)),
    Evidence("KeyError: 'a'", False, "/src/a.py", ("/src/a.py",), False, True),
)
"""What a log may end in."""
HELPS: Final = 0.7
"""How often a rung does what it is for."""


class Healing(Member):
    """`synced`: incarnation of the spawner whose runs and news were taken over; `acked`: its last news taken."""

    def __init__(self, world: "World", role: str, process: Process, floor: int, fresh: bool) -> None:
        super().__init__(world, role, process, floor, fresh)
        self.kernels: kernels.Kernels = {}
        self.synced = 0
        self.acked = 0
        self._syncing = False
        self._due = INFINITY

    def setup(self) -> None:
        store = self.world.store
        for name, spec in self.world.specs.items():
            row = store.rows.get(name) or Kernel(spec, self.world.kernel_policy, wanted=spec.autostart)
            self.kernels[name] = replace(row, order=None, asked=0.0)
        self._sync()

    def take(self, event: Event) -> None:
        super().take(event)
        if self.process.alive:
            self._follow_spawner()
        if isinstance(event, Stopping) and not event.active:
            self.command(self._tend)

    # --- the spawner

    def _follow_spawner(self) -> None:
        """A new spawner is synced with; without any, this member is healthy all the same: it may have to start one."""
        spawner = self.core.peers["spawner"]
        if not spawner.down and spawner.incarnation != self.synced:
            self._sync()
        elif spawner.down and not self.core.ready:
            self.ready()

    def _sync(self) -> None:
        if self._syncing:
            return
        self._syncing = True

        def question(spawner: Member) -> Any:
            assert isinstance(spawner, Spawner)
            return spawner.sync()

        self.world.wires.ask(self, "spawner", self.patience, question, self._synced)

    def _synced(self, reply: Any) -> None:
        self._syncing = False
        if reply is None:
            self.world.clock.after(SYNC_RETRY_S, self.process.deliver, self._follow_spawner)
            return
        incarnation, runs, news = reply
        if incarnation != self.synced:
            self.synced, self.acked = incarnation, 0
        self.command(lambda: self._adopt(runs, news))
        if self.process.alive:
            self.ready()

    def _adopt(self, runs: tuple[Running, ...], news: tuple[News, ...]) -> None:
        self.hear_news(self.synced, news)
        for running in runs:
            self._do(kernels.adopt(self.kernels, running, self.world.clock.now))
        self._tend()

    def hear_news(self, incarnation: int, news: tuple[News, ...]) -> None:
        """Reports of the spawner, in order; what was taken already is passed over."""
        if incarnation != self.synced:
            return
        for seq, report in news:
            if seq > self.acked:
                self.acked = seq
                self._report(report)
        self._tend()
        acked = self.acked

        def taken(receiver: Member) -> None:
            assert isinstance(receiver, Spawner)
            receiver.acked(incarnation, acked)

        self.world.wires.tell(self, "spawner", self.patience, taken)

    def _report(self, report: Report) -> None:
        match report.what:
            case "born":
                step = kernels.born(self.kernels, report.running, report.at)
            case "refused":
                step = kernels.refused(self.kernels, report.running, report.at)
            case "exited":
                step = kernels.exited(
                    self.kernels, report.running, report.at, by_order=report.by_order,
                    noise=self.world.random.uniform(-1, 1), stopping=self.core.stopping, text=report.text,
                )  # fmt: skip
        self._do(step)

    # --- kernels

    def may_run(self, name: str) -> bool:
        """Is all that it depends on up?"""
        needed = [self.kernels[d.name] for d in self.world.specs[name].depends_on]
        return self.kernels[name].alive or all(kernels.satisfied(k) for k in needed)

    def person(self, what: str, names: tuple[str, ...]) -> None:
        """What a person asks: start, stop or restart by name."""
        self.world.tell(f"{self!r:22} a person asks to {what} {names}")
        asked = {"start": kernels.person_start, "stop": kernels.person_stop, "restart": kernels.person_restart}[what]
        self._do(asked(self.kernels, names, self.world.clock.now))
        self.world.asked(what, names)
        self._tend()

    def _tend(self) -> None:
        now = self.world.clock.now
        if not self.synced or self.core.stopping:
            return
        self._do(kernels.tend(self.kernels, now))
        due = kernels.wake_at(self.kernels, now)
        if due < self._due:
            self._due = due
            self.world.clock.at(max(due, now + WAKE_S), self.process.deliver, self._kernels_due, due)

    def _kernels_due(self, due: float) -> None:
        if due == self._due:
            self._due = INFINITY
            self.command(self._tend)

    def _do(self, step: Step) -> None:
        self.kernels, actions = step
        for action in actions:
            self.act(action)
            if not self.process.alive:
                return

    def act(self, action: Action) -> None:
        if not self.process.alive:
            return
        if self.world.say is not None and isinstance(action, (Start, End, GiveOrder)):
            self.world.tell(f"{self!r:22} {action}")
        match action:
            case Save():
                self.keep_write(action)
            case Start():
                self._tell_spawner(lambda s: s.start_kernel(action.kernel, action.run))
            case End():
                self._tell_spawner(lambda s: s.end_kernel(action.kernel, action.run, action.signal, action.timeout))
            case GiveOrder():
                self._tell_spawner(lambda s: s.take_order(action.order))
            case Examine():
                evidence = self.world.random.choice(EVIDENCE)
                self._later(EXAMINE_S, lambda now: ladder.examined(
                    self.kernels, action.kernel, action.run, evidence, now
                ))  # fmt: skip
            case FixSource():
                helps = self.world.random.random() < HELPS
                self.world.wires.ask(
                    self, "coding_agent", self.patience, lambda agent: helps,
                    lambda reply: None if reply is None else self._rung(action, "fix_source", reply),
                )  # fmt: skip
            case RestoreSource():
                helps = self.world.random.random() < HELPS
                delay = self.world.random.uniform(*RESTORE_S)
                self.world.clock.after(delay, self.process.deliver, self._rung, action, "restore_source", helps)
            case Keep():
                pass
            case _:
                super().act(action)

    def _later(self, span: tuple[float, float], step: Any) -> None:
        def call() -> None:
            self.command(lambda: self._do(step(self.world.clock.now)))
            self._tend()

        self.world.clock.after(self.world.random.uniform(*span), self.process.deliver, call)

    def _rung(self, action: FixSource | RestoreSource, rung: str, helped: bool) -> None:
        """How a rung of the ladder ended; a kernel that is started again by it has a clean count."""
        name = action.kernel
        climbed = self.kernels[name].climb == rung and self.kernels[name].run == action.run
        if climbed and helped:
            self.world.asked("mended", (name,))
        now = self.world.clock.now
        self.command(lambda: self._do(ladder.told(self.kernels, name, action.run, rung, helped, "", now)))
        self._tend()

    def _tell_spawner(self, call: Any) -> None:
        def taken(receiver: Member) -> None:
            assert isinstance(receiver, Spawner)
            receiver.command(lambda: call(receiver))

        self.world.wires.tell(self, "spawner", self.patience, taken)
