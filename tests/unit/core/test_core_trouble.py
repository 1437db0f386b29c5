"""What a kernel in trouble does over time: an incident that lasts until it holds, tries after the ladder, wants."""

from typing import Any

from core_kit import NOW
from msgspec.structs import replace

from graced.core.intensity import LONG_RUN_S, TRY_LEAST_S, Policy
from graced.core.kernels import memory, view
from graced.core.kernels.machine import Kernels
from graced.core.kernels.state import Kernel, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    GiveOrder,
    RunBorn,
    RunEnded,
    RungEnded,
    SourcesMended,
    Start,
    Told,
)
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Dependency, ExitCodes, Ready
from graced.spec.config import Kernel as Spec
from graced.spec.ready import DEFAULT_S
from graced.spec.run import Run

WEB = Spec("web", ("web",), ladder=("restart", "notify"))
POLICY = Policy(max_restarts=1, window=60.0, immediate=2, initial=0.1, factor=2.0, max=8.0, jitter=0.0)


class World:
    """One kernel, its spawner, and a clock; what was said is in `said`."""

    def __init__(self, spec: Spec = WEB, policy: Policy = POLICY, *others: Spec) -> None:
        self.now = NOW
        self.kernels = Kernels([new_kernel(s, policy, wanted=True) for s in (spec, *others)])
        self.said: list[Action] = []
        self.tend()

    def take(self, event: Any) -> None:
        self.said += self.kernels.take(event, self.now)
        self.tend()

    def tend(self) -> None:
        self.said += self.kernels.tend(self.now)

    def wait(self, seconds: float) -> None:
        """Time passes, and what is due meanwhile is done when it is due."""
        until = self.now + seconds
        while (at := self.kernels.wake_at()) <= until:
            assert at > self.now or at == 0.0, "time stands still"
            self.now = max(self.now, at)
            self.tend()
        self.now = until
        self.tend()

    def born(self) -> None:
        """The spawner does what it was asked for."""
        run = self.kernel.run.run + 1
        assert Start("web", run) in self.said, f"nobody asked for run {run}"
        self.take(RunBorn(Run("web", run, 100 + run, 500, "boot", self.now)))

    def dies(self, exit: Exit | None = None) -> None:
        self.take(RunEnded(self.kernel.run, exit or Exit(code=1)))

    def unborn(self, text: str, *, wanting: bool) -> None:
        run = Run("web", self.kernel.run.run + 1, boot_id="boot", started=self.now)
        self.take(RunEnded(run, Exit(code=127), text=text, wanting=wanting))

    def falls(self) -> None:
        """To the end of its ladder."""
        self.born()
        self.dies()
        self.born()
        self.dies()
        self.notified()

    def notified(self) -> None:
        kernel = self.kernel
        self.take(RungEnded("web", kernel.run.run, kernel.incident, "notify", "held_on", "told", False))

    @property
    def kernel(self) -> Kernel:
        return self.kernels["web"]

    @property
    def state(self) -> str:
        return view.state(self.kernel)

    def of(self, kind: type[Action]) -> list[Any]:
        return [action for action in self.said if isinstance(action, kind)]

    def escalated(self) -> int:
        return sum(record.kind == "escalated" for record in self.of(Record))


# --- ready


def test_a_kernel_is_ready_once_it_has_stayed_up_and_others_start_then() -> None:
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    world = World(WEB, POLICY, api)
    world.born()
    assert world.state == "starting"
    world.wait(DEFAULT_S - 0.01)
    assert (world.state, Start("api", 1) in world.said) == ("starting", False)
    world.wait(0.01)
    assert (world.state, Start("api", 1) in world.said) == ("ready", True)


def test_how_long_it_must_stay_up_is_for_its_configuration_to_say() -> None:
    for ready, restart, ready_after in (
        (Ready(for_s=2.0), "always", 2.0),
        (Ready(for_s=0.0), "always", 0.0),
        (Ready(), "never", 0.0),
        (Ready(when="tcp", port=1), "always", 0.0),
    ):
        world = World(replace(WEB, ready=ready, restart=restart))
        world.born()
        if ready_after:
            assert world.state == "starting"
        world.wait(ready_after)
        assert world.state == "ready"


def test_a_new_self_healing_does_not_call_a_run_that_is_up_starting() -> None:
    world = World()
    world.born()
    run = world.kernel.run
    world.wait(5.0)
    text = memory.of(world.kernel, "boot")
    again = Kernels([memory.recalled(WEB, POLICY, text, "boot", world.now, fresh=False)])
    again.take(Told(Running(run, alive=True)), world.now)
    assert view.state(again["web"]) == "ready"


# --- incidents


def test_an_incident_lasts_from_the_failure_until_a_run_is_ready() -> None:
    world = World()
    world.born()
    world.wait(1.0)
    world.dies()
    world.wait(3.0)
    world.born()
    assert not world.of(CloseIncident)
    world.wait(DEFAULT_S)
    assert world.of(CloseIncident) == [CloseIncident("web-run1", "recovered", 3.0, 1)]


def test_restarts_that_do_not_come_up_are_one_incident_and_each_is_noted() -> None:
    world = World(WEB, replace(POLICY, max_restarts=5))
    world.born()
    world.wait(1.0)
    for _ in range(3):
        world.dies()
        world.wait(0.5)
        world.born()
    world.wait(DEFAULT_S)
    assert [a.id for a in world.of(OpenIncident)] == ["web-run1"]
    assert [a.ok for a in world.of(NoteStep)] == [False, False, True]
    (closed,) = world.of(CloseIncident)
    assert closed.duration == 1.5


def test_a_failure_that_nobody_could_see_began_when_there_was_no_spawner_any_more() -> None:
    world = World()
    world.born()
    world.wait(5.0)
    lost = world.now
    world.wait(34.0)
    world.take(Told(Running(world.kernel.run), since=lost))
    world.born()
    world.wait(DEFAULT_S)
    (closed,) = world.of(CloseIncident)
    assert closed.duration == 34.0


# --- after the ladder


def test_what_no_rung_helped_is_tried_again_for_ever_and_people_are_called_once() -> None:
    world = World()
    world.falls()
    for _ in range(20):
        asked_at = world.now + POLICY.max
        assert (world.state, view.due(world.kernel)) == ("failed", asked_at)
        world.wait(POLICY.max)
        world.born()
        world.dies()
    assert world.escalated() == 1
    assert not world.of(CloseIncident)
    assert [a.id for a in world.of(OpenIncident)] == ["web-run1"]


def test_a_kernel_whose_trouble_goes_away_is_up_within_the_longest_backoff() -> None:
    for trouble_s in (1.0, 10.0, 100.0):
        world = World(WEB, Policy())
        gone_at = world.now + trouble_s
        while True:
            while Start("web", world.kernel.run.run + 1) not in world.said:
                world.wait(0.5)
                if world.state == "failed" and world.kernel.tally.rung == "notify" and not view.due(world.kernel):
                    world.notified()
            world.born()
            if world.now >= gone_at:
                break
            world.dies()
        assert world.now - gone_at <= Policy().max
        world.wait(LONG_RUN_S)
        assert (world.state, world.kernel.tally.incident) == ("ready", "")


def test_its_incident_ends_when_a_run_of_it_gets_long_and_not_before() -> None:
    world = World()
    world.falls()
    failed_at = NOW
    world.wait(POLICY.max)
    began = world.now
    world.born()
    world.wait(LONG_RUN_S - 0.1)
    assert (world.state, world.of(CloseIncident)) == ("ready", [])
    world.wait(0.1)
    assert world.of(CloseIncident) == [CloseIncident("web-run1", "recovered", began - failed_at, 1)]
    world.wait(POLICY.window)
    world.dies()
    assert world.state in ("backoff", "starting"), "its next failure begins with its restarts again"


def test_a_try_is_not_restarted_by_the_standing_order() -> None:
    world = World()
    world.falls()
    world.said.clear()
    world.wait(POLICY.max)
    world.born()
    assert [a.order.then for a in world.of(GiveOrder)] == ["report"]
    world.wait(POLICY.window)
    assert world.of(GiveOrder)[-1].order.then == "start"


def test_nobody_tries_again_what_is_given_up_or_was_never_to_be_restarted() -> None:
    for spec, policy, exit in (
        (WEB, replace(POLICY, give_up=True), Exit(code=1)),
        (replace(WEB, restart="never"), POLICY, Exit(code=1)),
        (replace(WEB, ladder=("notify",)), POLICY, Exit(code=1)),
        (replace(WEB, exit_codes=ExitCodes((0,), (3,))), POLICY, Exit(code=3)),
    ):
        world = World(spec, policy)
        world.born()
        world.dies(exit)
        if world.kernel.tally.rung != "notify":
            world.born()
            world.dies(exit)
        world.notified()
        assert (world.state, world.kernels.wake_at()) == ("failed", float("inf"))
        assert [a.state for a in world.of(CloseIncident)] == ["escalated"]


def test_a_try_waits_for_what_the_kernel_depends_on() -> None:
    db = Spec("db", ("db",))
    world = World(replace(WEB, depends_on=(Dependency("db"),)), POLICY, db)
    world.take(RunBorn(Run("db", 1, 99, 5, "boot", world.now - 5)))
    world.falls()
    world.take(Asked("stop", ("db",)))
    world.said.clear()
    world.wait(3 * POLICY.max)
    assert not world.of(Start)


def test_tries_keep_a_distance_whatever_the_backoff_says() -> None:
    world = World(WEB, replace(POLICY, max=0.0, initial=0.0))
    world.falls()
    assert view.due(world.kernel) == world.now + TRY_LEAST_S


def test_a_person_who_stops_it_ends_the_tries() -> None:
    world = World()
    world.falls()
    world.take(Asked("stop", ("web",)))
    world.said.clear()
    world.wait(10 * POLICY.max)
    assert (world.state, world.of(Start)) == ("stopped", [])


def test_a_mend_begins_the_ladder_anew() -> None:
    world = World(replace(WEB, sources=("/src",)))
    world.falls()
    world.take(SourcesMended(("/src/a.py",)))
    world.born()
    world.dies()
    assert world.state in ("backoff", "starting"), "it is restarted at once, and not only tried now and then"


# --- births that fail for want of something


def test_a_birth_that_wants_for_something_is_no_crash_and_says_what_it_waits_for() -> None:
    world = World()
    for _ in range(30):
        world.unborn("Too many open files", wanting=True)
        assert (world.state, view.reason(world.kernel)) == ("backoff", "Too many open files")
        due = view.due(world.kernel)
        assert 0 < due - world.now <= POLICY.max
        world.wait(due - world.now)
    assert world.escalated() == 0
    assert [a.id for a in world.of(OpenIncident)] == ["web-run1"]
    world.born()
    world.wait(DEFAULT_S)
    assert (world.state, len(world.of(CloseIncident))) == ("ready", 1)


def test_its_waits_grow_to_the_longest_backoff_and_are_never_nothing() -> None:
    for policy, expected in ((POLICY, [0.1, 0.2, 0.4, 0.8]), (replace(POLICY, initial=0.0), [0.1, 0.2, 0.4, 0.8])):
        world = World(WEB, policy)
        waits = []
        for _ in expected:
            world.unborn("Address already in use", wanting=True)
            waits.append(round(view.due(world.kernel) - world.now, 3))
            world.wait(waits[-1])
        assert waits == expected


def test_a_birth_that_fails_for_another_reason_is_a_failure_like_any() -> None:
    world = World()
    for _ in range(2):
        world.unborn("command nope: not found on PATH", wanting=False)
    assert (world.state, world.escalated()) == ("failed", 1)
