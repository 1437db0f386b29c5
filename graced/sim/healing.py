"""self_healing in the simulator: the kernels by the pure rules, in step with the spawner."""

from typing import TYPE_CHECKING, Any, Final

from graced.core.kernels import memory, readiness
from graced.core.kernels.machine import Kernels, Taken
from graced.core.kernels.state import Climbing, Evidence, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    BeginRung,
    CountRestart,
    End,
    Examine,
    Examined,
    GiveOrder,
    Keep,
    RunBorn,
    RunEnded,
    RungEnded,
    Save,
    Start,
    Told,
)
from graced.core.orders import Exit, Report, Running
from graced.core.state import INFINITY
from graced.core.vocabulary import Action, Actions, Event, Stopping
from graced.sim.machine import Process
from graced.sim.member import WAKE_S, Member
from graced.sim.spawner import News, Spawner
from graced.sim.store import BOOT

if TYPE_CHECKING:
    from graced.sim.world import World

SYNC_RETRY_S: Final = 0.02
EXAMINE_S: Final = (0.001, 0.02)
RUNG_S: Final = (0.005, 0.2)
EVIDENCE: Final = (
    Evidence(),
    Evidence("SyntaxError: invalid syntax", ("/src/a.py",)),
    Evidence("SyntaxError: invalid syntax", ("/elsewhere.py",)),
    Evidence("KeyError: 'a'", ("/src/a.py",)),
)
"""What a log may end in."""
APPLIES: Final = 0.6
"""How often a rung has something to do."""
HELPS: Final = 0.7
"""How often a rung does what it is for."""


class Healing(Member):
    """`synced`: incarnation of the spawner whose runs and news were taken over; `acked`: its last news taken."""

    def __init__(self, world: "World", role: str, process: Process, floor: int, fresh: bool) -> None:
        super().__init__(world, role, process, floor, fresh)
        self.kernels = Kernels()
        self.synced = 0
        self.acked = 0
        self._syncing = False
        self._due = INFINITY

    def setup(self) -> None:
        world = self.world
        self.kernels = Kernels(
            memory.recalled(spec, world.kernel_policy, world.store.rows[name], BOOT, world.clock.now, fresh=self.fresh)
            if name in world.store.rows
            else new_kernel(spec, world.kernel_policy)
            for name, spec in world.specs.items()
        )
        if self.fresh:  # a start by a person, who starts all of them
            world.asked("start", tuple(world.specs))
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
            self._take(Told(running), self.world.clock.now)
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
        event: Taken
        run = report.running.run
        match report.what:
            case "born":
                event = RunBorn(run)
            case "refused":
                event = Told(report.running, refused=True)
            case "exited":
                noise, exit = self.world.random.uniform(-1, 1), report.running.exit or Exit()
                event = RunEnded(run, exit, report.by_order, noise, self.core.stopping, report.text, report.wanting)
        self._take(event, report.at)

    # --- kernels

    def may_run(self, name: str) -> bool:
        """Is all that it depends on up?"""
        needed = [self.kernels[d.name] for d in self.world.specs[name].depends_on]
        return self.kernels[name].alive or all(readiness.satisfied(k) for k in needed)

    def person(self, what: str, names: tuple[str, ...]) -> None:
        """What a person asks: start, stop or restart by name."""
        self.world.tell(f"{self!r:22} a person asks to {what} {names}")
        wish: Any = what
        self._take(Asked(wish, names), self.world.clock.now)
        self.world.asked(what, names)
        self._tend()

    def _tend(self) -> None:
        now = self.world.clock.now
        if not self.synced or self.core.stopping:
            return
        self._do(self.kernels.tend(now))
        due = self.kernels.wake_at()
        if due < self._due:
            self._due = due
            self.world.clock.at(max(due, now + WAKE_S), self.process.deliver, self._kernels_due, due)

    def _kernels_due(self, due: float) -> None:
        if due == self._due:
            self._due = INFINITY
            self.command(self._tend)

    def _take(self, event: Taken, now: float) -> None:
        self._do(self.kernels.take(event, now))

    def _do(self, actions: Actions) -> None:
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
            case Save() | CountRestart():
                self.keep_write(action)
            case Start():
                self._tell_spawner(lambda s: s.start_kernel(action.kernel, action.run))
            case End():
                self._tell_spawner(lambda s: s.end_kernel(action.kernel, action.run))
            case GiveOrder():
                self._tell_spawner(lambda s: s.take_order(action.order))
            case Examine():
                evidence = self.world.random.choice(EVIDENCE)
                self._later(EXAMINE_S, Examined(action.kernel, action.run, evidence))
            case BeginRung():
                self._begin(action)
            case Keep():
                pass
            case _:
                super().act(action)

    def _later(self, span: tuple[float, float], event: Taken) -> None:
        def call() -> None:
            if isinstance(event, RungEnded):
                self._rung(event)
            self.command(lambda: self._take(event, self.world.clock.now))
            self._tend()

        self.world.clock.after(self.world.random.uniform(*span), self.process.deliver, call)

    def _begin(self, action: BeginRung) -> None:
        """fix_source asks the coding agent, who may be away: it is begun again until it is told of."""
        random = self.world.random
        outcome: Any = "not_applicable"
        if random.random() < APPLIES:
            outcome = "held_on" if random.random() < HELPS else "failed"
        restart = outcome == "held_on" and action.rung != "notify"
        event = RungEnded(action.kernel, action.run, action.incident, action.rung, outcome, "", restart)
        if action.rung != "fix_source":
            self._later(RUNG_S, event)
            return
        self.world.wires.ask(
            self, "coding_agent", self.patience, lambda agent: True,
            lambda reply: None if reply is None else self._later((0.0, 0.0), event),
        )  # fmt: skip

    def _rung(self, event: RungEnded) -> None:
        """A kernel that is started again by a rung has a clean count."""
        kernel = self.kernels[event.kernel]
        phase = kernel.phase
        climbs = isinstance(phase, Climbing) and phase.rung == event.rung and kernel.run.run == event.run
        if climbs and event.restart:
            self.world.asked("mended", (event.kernel,))

    def _tell_spawner(self, call: Any) -> None:
        def taken(receiver: Member) -> None:
            assert isinstance(receiver, Spawner)
            receiver.command(lambda: call(receiver))

        self.world.wires.tell(self, "spawner", self.patience, taken)
