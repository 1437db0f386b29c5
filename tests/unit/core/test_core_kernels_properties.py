"""What holds of the machine of the kernels whatever happens, in whatever order."""

from typing import Any, Final

from core_kit import NOW
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from graced.core import orders
from graced.core.intensity import Policy, try_again
from graced.core.kernels import memory, readiness, view
from graced.core.kernels.machine import NEVER, Kernels
from graced.core.kernels.state import Climbing, Done, Evidence, Failed, Starting, Stopped, Up, Waiting, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    BeginRung,
    End,
    Examine,
    Examined,
    GiveOrder,
    RunBorn,
    RunEnded,
    RungEnded,
    SourcesMended,
    Start,
    Told,
)
from graced.core.orders import Exit, Launch, Report
from graced.core.vocabulary import Action
from graced.spec.config import Dependency
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

POLICY: Final = Policy(max_restarts=3, window=10.0, immediate=1, initial=0.2, factor=2.0, max=4.0, jitter=0.0)
SPECS: Final = (
    Spec("db", ("db",), sources=("/src",)),
    Spec("web", ("web",), depends_on=(Dependency("db"),), ladder=("restart", "clear_cache", "notify")),
    Spec("job", ("job",), restart="on-failure", ladder=("restart", "notify")),
)
NAMES: Final = tuple(spec.name for spec in SPECS)
names = st.sampled_from(NAMES)


class Home(RuleBasedStateMachine):
    """self_healing's kernels and the spawner's rules, joined by queues that may lose what is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.kernels = Kernels(new_kernel(spec, POLICY) for spec in SPECS)
        self.runs: orders.Runs = {}
        self.pid = 100
        self.asked: list[Action] = []  # what self_healing has asked for
        self.news: list[Report] = []
        self.starts: dict[str, list[float]] = {name: [] for name in NAMES}
        self.tend()

    # --- the two of them

    def do(self, actions: tuple[Action, ...]) -> None:
        self.asked += [a for a in actions if isinstance(a, (Start, End, GiveOrder, Examine, BeginRung))]

    def tend(self) -> None:
        self.do(self.kernels.tend(self.now))

    def take(self, event: Any) -> None:
        self.do(self.kernels.take(event, self.now))
        self.tend()

    def spawn(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Report):
                self.news.append(action)
            elif isinstance(action, Launch):
                self.pid += 1
                self.starts[action.kernel].append(self.now)
                run = Run(action.kernel, action.run, self.pid, 1, "boot", self.now)
                self.runs, more = orders.launched(self.runs, run, self.now)
                self.spawn(more)

    # --- what happens

    @rule()
    def the_spawner_does_what_it_was_asked(self) -> None:
        asked, self.asked = self.asked, []
        for action in asked:
            if isinstance(action, Start):
                self.runs, actions = orders.start(self.runs, action.kernel, action.run, self.now)
                self.spawn(actions)
            elif isinstance(action, GiveOrder):
                self.runs = orders.give(self.runs, action.order)
            elif isinstance(action, End):
                self.runs, _ = orders.stop(self.runs, action.kernel, action.run)
            else:
                self.asked.append(action)

    @rule()
    def the_news_are_taken(self) -> None:
        news, self.news = self.news, []
        for report in news:
            run = report.running.run
            if report.what == "born":
                self.take(RunBorn(run))
            elif report.what == "exited":
                self.take(RunEnded(run, report.running.exit or Exit(), report.by_order, text=report.text))
            else:
                self.take(Told(report.running, refused=True))

    @rule()
    def what_was_asked_is_lost(self) -> None:
        self.asked.clear()

    @rule(name=names, code=st.sampled_from([0, 1, 1, None]))
    def a_kernel_exits(self, name: str, code: int | None) -> None:
        running = self.runs.get(name)
        if running is not None and running.alive:
            exit = Exit(code=code) if code is not None else Exit(signal=9)
            self.runs, actions = orders.exited(self.runs, name, running.run.pid, exit, self.now)
            self.spawn(actions)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        looks = 0
        while (at := self.kernels.wake_at()) <= until:
            looks += 1
            assert looks < 200, "it spins"
            self.now = max(self.now, at)
            self.tend()
        self.now = until

    @rule(what=st.sampled_from(["start", "stop", "restart"]), name=names)
    def a_person_asks(self, what: Any, name: str) -> None:
        self.take(Asked(what, (name,)))
        self.starts = {n: [] for n in NAMES} if what != "stop" else {**self.starts, name: []}

    @rule(outcome=st.sampled_from(["held_on", "not_applicable", "failed"]), restart=st.booleans())
    def what_climbs_is_answered(self, outcome: Any, restart: bool) -> None:
        asked, self.asked = self.asked, [a for a in self.asked if not isinstance(a, (Examine, BeginRung))]
        for action in asked:
            if isinstance(action, Examine):
                self.take(Examined(action.kernel, action.run, Evidence("KeyError: 'a'", ("/src/a.py",))))
            elif isinstance(action, BeginRung):
                self.take(RungEnded(action.kernel, action.run, action.incident, action.rung, outcome, "", restart))
                if outcome == "held_on" and restart:
                    self.starts[action.kernel] = []

    @rule()
    def a_file_is_mended(self) -> None:
        self.take(SourcesMended(("/src/a.py",)))
        self.starts = {name: [] for name in NAMES}

    @rule()
    def self_healing_dies_and_comes_back(self) -> None:
        texts = {k.name: memory.of(k, "boot") for k in self.kernels.values()}
        self.kernels = Kernels(
            memory.recalled(spec, POLICY, texts[spec.name], "boot", self.now, fresh=False) for spec in SPECS
        )
        self.asked.clear()
        self.the_news_are_taken()
        for running in tuple(self.runs.values()):
            self.take(Told(running))

    # --- what must hold

    @invariant()
    def nothing_is_started_more_often_than_the_intensity_allows(self) -> None:
        for name, times in self.starts.items():
            spaced = [t for before, t in zip([-1e9, *times], times, strict=False) if t - before < try_again(POLICY)]
            lately = [t for t in spaced if t > self.now - POLICY.window]
            assert len(lately) <= POLICY.max_restarts + 1, f"{name}: {lately}"

    @invariant()
    def no_kernel_waits_without_saying_so(self) -> None:
        for kernel in self.kernels.values():
            phase = kernel.phase
            if isinstance(phase, Waiting) and phase.until > self.now:
                assert view.reason(kernel), f"{kernel.name} waits until {phase.until} and does not say why"
            if isinstance(phase, (Failed, Climbing)):
                assert view.reason(kernel), f"{kernel.name} is {view.state(kernel)} and does not say why"

    @invariant()
    def nobody_is_left_for_ever_without_due_or_cause(self) -> None:
        """Who is meant to run and does not is looked at again by time, or waits for a kernel that is not ready."""
        for kernel in self.kernels.values():
            phase = kernel.phase
            if not kernel.wanted or isinstance(phase, (Up, Done)):
                continue
            if isinstance(phase, Waiting) and phase.held_by == "dependencies":
                needs = [self.kernels[d.name] for d in kernel.spec.depends_on]
                assert not all(readiness.satisfied(need) for need in needs), f"{kernel.name} waits for what is ready"
                continue
            assert not isinstance(phase, Stopped), f"{kernel.name} is wanted and stopped"
            at = min(self.kernels.wake_at(), self.kernels._due.get(kernel.name, NEVER))
            assert at < NEVER, f"{kernel.name} is {phase}, and nothing will happen"

    @invariant()
    def what_a_person_stopped_is_not_started(self) -> None:
        for kernel in self.kernels.values():
            if kernel.stopped_by_person:
                assert not isinstance(kernel.phase, (Waiting, Climbing, Failed)), kernel.phase
                assert not (isinstance(kernel.phase, Starting) and kernel.wanted)

    @invariant()
    @precondition(lambda self: not self.news)
    def the_newest_run_is_known(self) -> None:
        for name, running in self.runs.items():
            kernel = self.kernels[name]
            assert kernel.run.run <= running.run.run


Home.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestHome = Home.TestCase
