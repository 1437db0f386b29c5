"""What self_healing decides about kernels: starts, exits, people, adoption, orders."""

from typing import Any

from core_kit import NOW
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graced.core import orders as spawner_orders
from graced.core.intensity import History, Policy
from graced.core.kernels import table, view
from graced.core.kernels.machine import Kernels
from graced.core.kernels.orders import changes_at, next_order
from graced.core.kernels.state import PHASES, Kernel, Stopped, Tally, Waiting, new_kernel
from graced.core.kernels.vocabulary import (
    EVENTS,
    Asked,
    BeginRung,
    CountRestart,
    End,
    GiveOrder,
    RunBorn,
    RunEnded,
    Save,
    Start,
    Told,
)
from graced.core.orders import Exit, Order, Running
from graced.core.vocabulary import Action, CloseIncident, OpenIncident, Record
from graced.spec.config import Dependency, ExitCodes, Ready
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

POLICY = Policy()
BORN = NOW - 5  # of a run that has been up for long enough to be ready, and not for long
WEB = Spec("web", ("web",))
API = Spec("api", ("api",), depends_on=(Dependency("web"),))


def made(*specs: Spec, policy: Policy = POLICY, parallel: int | None = None) -> Kernels:
    """Kernels that are to be started."""
    return Kernels([new_kernel(s, policy, wanted=True) for s in specs or (WEB,)], parallel)


def run_of(number: int = 1, name: str = "web", at: float = BORN) -> Run:
    return Run(name, number, 50 + number, 500, "boot", at)


def up(*specs: Spec, policy: Policy = POLICY, **tally: Any) -> Kernels:
    """Kernels whose run 1 is alive."""
    specs = specs or (WEB,)
    alive = [replace(new_kernel(s, policy, wanted=True), tally=Tally(**tally)) for s in specs]
    kernels = Kernels(alive)
    for spec in specs:
        kernels.take(RunBorn(run_of(1, spec.name)), NOW)
    return kernels


def end(kernels: Kernels, exit: Exit, *, by_order: bool = False, at: float = NOW, run: int = 1) -> list[Action]:
    return list(kernels.take(RunEnded(run_of(run), exit, by_order), at))


def kinds(actions: Any) -> list[str]:
    return [a.kind for a in actions if isinstance(a, Record)]


def starts(actions: Any) -> list[Start]:
    return [a for a in actions if isinstance(a, Start)]


def word(kernels: Kernels, name: str = "web") -> str:
    return view.state(kernels[name])


def test_every_pair_of_phase_and_event_is_named() -> None:
    assert set(table.TABLE) == set(PHASES)
    assert all(set(row) == set(EVENTS) for row in table.TABLE.values())


# --- starts


def test_what_is_wanted_is_started_and_asked_again_until_it_is_born() -> None:
    kernels = made()
    assert kernels.tend(NOW) == (Start("web", 1),)
    assert kernels.tend(NOW + 0.9) == ()
    assert kernels.tend(NOW + 1.0) == (Start("web", 1),)
    actions = kernels.take(RunBorn(run_of()), NOW + 1)
    assert (word(kernels), kinds(actions)) == ("ready", ["kernel.started"])


def test_dependencies_come_first() -> None:
    kernels = made(WEB, API)
    assert kernels.tend(NOW) == (Start("web", 1),)
    assert view.reason(kernels["api"]) == table.DEPENDENCIES
    kernels.take(RunBorn(run_of()), NOW)
    assert Start("api", 1) in kernels.tend(NOW)


def test_a_one_shot_is_waited_for_until_it_ended_well() -> None:
    kernels = made(Spec("web", ("web",), ready=Ready(when="exited")), API)
    kernels.take(RunBorn(run_of()), NOW)
    assert not starts(kernels.tend(NOW))
    kernels.take(RunEnded(run_of(), Exit(0)), NOW)
    assert kernels.tend(NOW) == (Start("api", 1),)


def test_no_more_starts_at_once_than_parallel_allows_and_the_others_follow_in_their_order() -> None:
    specs = [Spec(f"k{n}", ("x",)) for n in range(5)]
    kernels = made(*specs, parallel=2)
    assert kernels.tend(NOW) == (Start("k0", 1), Start("k1", 1))
    assert view.reason(kernels["k4"]) == table.TURN
    kernels.take(RunBorn(run_of(1, "k1")), NOW)
    assert starts(kernels.tend(NOW)) == [Start("k2", 1)]
    kernels.take(Asked("stop", ("k3",)), NOW)
    kernels.take(RunBorn(run_of(1, "k0")), NOW)
    assert starts(kernels.tend(NOW)) == [Start("k4", 1)]
    assert len(made(*specs).tend(NOW)) == 5


def test_time_never_stands_still_over_what_waits() -> None:
    """`wake_at` is in the future once `tend` has run, or a loop would spin."""
    stopping = up()
    stopping.take(Asked("stop", ("web",)), NOW)
    taken_back = made()
    taken_back.tend(NOW - 9)
    taken_back.take(Asked("stop", ("web",)), NOW)
    for kernels in (made(WEB, API), up(WEB, API), stopping, taken_back):
        kernels.tend(NOW)
        assert kernels.wake_at() > NOW


def test_a_turn_costs_what_it_changes_and_not_what_there_is() -> None:
    """A thousand kernels that run: one of them dies, and nobody looks at the others."""
    kernels = up(*(Spec(f"k{n}", ("x",)) for n in range(1000)))
    kernels.tend(NOW)
    looked: list[str] = []
    look = kernels._look
    kernels._look = lambda name: (looked.append(name), look(name))[1]  # type: ignore[method-assign, assignment]
    kernels.take(RunEnded(run_of(1, "k7"), Exit(1)), NOW + 1)
    assert starts(kernels.tend(NOW + 1)) == [Start("k7", 2)]
    assert set(looked) == {"k7"}


def test_a_thousand_kernels_in_a_chain_are_stopped_from_its_end() -> None:
    chain = [Spec("k0", ("x",))]
    chain += [Spec(f"k{n}", ("x",), depends_on=(Dependency(f"k{n - 1}"),)) for n in range(1, 1000)]
    kernels = up(*chain)
    kernels.take(Asked("stop", tuple(kernels)), NOW)
    for number in range(999, -1, -1):
        assert [a for a in kernels.tend(NOW) if isinstance(a, End)] == [End(f"k{number}", 1)]
        kernels.take(RunEnded(run_of(1, f"k{number}"), Exit(signal=15)), NOW)
    assert all(word(kernels, name) == "stopped" for name in kernels)


# --- exits


def test_a_failure_is_restarted_and_counted() -> None:
    kernels = up()
    actions = end(kernels, Exit(signal=9))
    kernel = kernels["web"]
    assert (word(kernels), kernel.tally.restarts, kernel.tally.rung) == ("backoff", 1, "restart")
    assert kinds(actions) == ["kernel.exited"]
    assert starts(kernels.tend(NOW)) == [Start("web", 2)]


def test_what_ended_well_stays_so_where_only_failures_are_restarted() -> None:
    spec = Spec("web", ("web",), restart="on-failure")
    for exit, state in ((Exit(0), "exited"), (Exit(1), "backoff"), (Exit(), "backoff")):
        kernels = up(spec)
        end(kernels, exit)
        assert word(kernels) == state, "an exit that nobody saw counts as a failure"


def test_never_is_never() -> None:
    spec = Spec("web", ("web",), restart="never")
    kernels = up(spec)
    actions = end(kernels, Exit(1))
    assert word(kernels) == "failed"
    assert kinds(actions) == ["kernel.exited", "escalated"]
    kernels = up(spec)
    end(kernels, Exit(0))
    assert word(kernels) == "exited"


def test_an_exit_code_of_no_restart_goes_past_the_restarts() -> None:
    kernels = up(Spec("web", ("web",), exit_codes=ExitCodes((0,), (3,)), ladder=("restart", "notify")))
    actions = end(kernels, Exit(3))
    assert (word(kernels), kernels["web"].tally.rung) == ("failed", "notify")
    assert BeginRung("web", 1, "web-run1", "notify") in actions


def test_the_backoff_is_waited_for() -> None:
    kernels = up(history=History((), tuple(NOW - n for n in range(2))))
    end(kernels, Exit(1))
    assert view.due(kernels["web"]) == NOW + 0.1
    assert kernels.tend(NOW + 0.09) == ()
    assert kernels.wake_at() == NOW + 0.1
    assert kernels.tend(NOW + 0.1) == (Start("web", 2),)


def test_a_report_that_comes_twice_counts_once() -> None:
    kernels = up()
    end(kernels, Exit(1))
    before = kernels["web"]
    assert end(kernels, Exit(1)) == []
    assert kernels["web"] == before


# --- what people ask


def test_what_a_person_stopped_stays_stopped_until_a_person_starts_it() -> None:
    kernels = up()
    kernels.take(Asked("stop", ("web",)), NOW)
    assert kernels.tend(NOW) == (End("web", 1),)
    end(kernels, Exit(signal=15))
    assert (word(kernels), kernels["web"].stopped_by_person) == ("stopped", True)
    assert kernels.tend(NOW + 99) == ()
    kernels.take(Asked("start", ("web",)), NOW)
    assert kernels.tend(NOW) == (Start("web", 2),)


def test_a_stop_that_overtakes_a_start_ends_what_is_born_of_it() -> None:
    kernels = made()
    kernels.tend(NOW)
    kernels.take(Asked("stop", ("web",)), NOW)
    kernels.take(RunBorn(run_of()), NOW)
    assert kernels.tend(NOW) == (End("web", 1),)


def test_a_stop_that_overtakes_a_start_that_was_lost_is_a_stop() -> None:
    kernels = made()
    kernels.tend(NOW)
    kernels.take(Asked("stop", ("web",)), NOW)
    actions = kernels.tend(NOW + 1)
    assert (word(kernels), [a for a in actions if not isinstance(a, Save)]) == ("stopped", [])


def test_a_start_that_overtakes_a_stop_starts_it_after_its_end() -> None:
    kernels = up()
    kernels.take(Asked("stop", ("web",)), NOW)
    kernels.tend(NOW)
    kernels.take(Asked("start", ("web",)), NOW)
    end(kernels, Exit(signal=15))
    assert kernels.tend(NOW) == (Start("web", 2),)


def test_a_restart_by_a_person_clears_the_count_and_the_rung() -> None:
    kernels = up(history=History((NOW, NOW)), rung="restart")
    kernels.take(Asked("restart", ("web",)), NOW)
    assert (kernels["web"].tally.history, kernels["web"].tally.rung) == (History(), None)
    assert End("web", 1) in kernels.tend(NOW)
    end(kernels, Exit(signal=15))
    assert kernels["web"].tally.restarts == 0
    assert kernels.tend(NOW) == (Start("web", 2),)


def test_a_person_starts_what_it_depends_on_too() -> None:
    kernels = made(WEB, API)
    kernels.take(Asked("stop", ("web", "api")), NOW)
    for what in ("start", "restart"):
        kernels.take(Asked(what, ("api",)), NOW)  # type: ignore[arg-type]
        assert all(k.wanted and not k.stopped_by_person for k in kernels.values())
        kernels.take(Asked("stop", ("web", "api")), NOW)


# --- adoption


def test_a_kernel_keeps_its_pid_and_a_new_spawner_is_given_the_order_again() -> None:
    kernels = up()
    kernels.tend(NOW)
    assert kernels.tend(NOW) == ()
    assert kernels.take(Told(Running(run_of(), alive=True)), NOW) == ()
    (given_,) = kernels.tend(NOW)
    assert isinstance(given_, GiveOrder)


def test_a_new_self_healing_takes_over_what_runs() -> None:
    kernels = Kernels([replace(new_kernel(WEB, POLICY), run=Run("web", 1))])
    actions = kernels.take(Told(Running(run_of(), alive=True)), NOW)
    assert (kernels["web"].run.pid, word(kernels)) == (51, "ready")
    assert isinstance(actions[-1], Save)


def test_what_a_person_stopped_is_ended_when_it_is_found_alive() -> None:
    stopped = replace(new_kernel(WEB, POLICY, wanted=False), run=Run("web", 1), stopped_by_person=True)
    kernels = Kernels([stopped])
    kernels.take(Told(Running(run_of(), alive=True)), NOW)
    assert kernels.tend(NOW) == (End("web", 1),)


def test_an_exit_that_nobody_saw_is_a_failure() -> None:
    kernels = up()
    kernels.take(Told(Running(run_of())), NOW)
    assert (word(kernels), kernels["web"].exit) == ("backoff", Exit())


def test_restarts_whose_reports_were_lost_count_all_the_same() -> None:
    kernels = up()
    kernels.take(Told(Running(run_of(4), alive=True)), NOW)
    assert len(kernels["web"].tally.history.restarts) == 3
    kernels.take(Told(Running(run_of(4), exit=Exit(1))), NOW)
    assert len(kernels["web"].tally.history.restarts) == 4


def test_news_that_skips_runs_counts_them() -> None:
    kernels = up()
    end(kernels, Exit(1), run=3)
    assert len(kernels["web"].tally.history.restarts) == 3
    kernels = up()
    kernels.take(RunBorn(run_of(3)), NOW)
    assert len(kernels["web"].tally.history.restarts) == 2
    asked = Kernels([replace(new_kernel(WEB, POLICY), run=Run("web", 4))])
    asked.tend(NOW)
    asked.take(RunBorn(run_of(5)), NOW)
    assert asked["web"].tally.history.restarts == (), "the run that was asked for is no surprise"


def test_every_failure_is_counted_as_recovered_once_whatever_was_lost_between() -> None:
    kernels = up()
    end(kernels, Exit(1), by_order=True)
    first = end(kernels, Exit(1), by_order=True, run=2, at=NOW + 1)
    second = kernels.take(RunBorn(run_of(3)), NOW + 1)
    assert [a.run for a in (*first, *second) if isinstance(a, CountRestart)] == [2, 3]


def test_the_past_is_no_news() -> None:
    kernels = Kernels([replace(new_kernel(WEB, POLICY), run=Run("web", 7))])
    before = kernels["web"]
    assert kernels.take(Told(Running(run_of(3), alive=True)), NOW) == ()
    assert kernels["web"] == before


# --- the standing order


specs = st.builds(
    Spec, st.just("web"), st.just(("web",)), restart=st.sampled_from(["always", "on-failure", "never"]),
    exit_codes=st.sampled_from([ExitCodes(), ExitCodes((0, 2), (3,))]),
)  # fmt: skip
policies = st.builds(
    Policy, max_restarts=st.integers(1, 4), window=st.sampled_from([5.0, 20.0]), immediate=st.integers(0, 2),
    initial=st.sampled_from([0.0, 0.5]),
)  # fmt: skip
exits = st.sampled_from([Exit(0), Exit(1), Exit(2), Exit(3), Exit(signal=9), Exit()])
pasts = st.lists(st.floats(0.0, 25.0), max_size=5).map(lambda ages: tuple(sorted(NOW - a for a in ages)))


@given(specs, policies, pasts, pasts, exits, st.floats(0.0, 30.0), st.booleans())
def test_the_order_left_ahead_is_what_the_ordinary_path_would_do(
    spec: Spec, policy: Policy, restarts: tuple[float, ...], short: tuple[float, ...], exit: Exit, later: float,
    stopped: bool,
) -> None:  # fmt: skip
    """At whatever moment the run exits, if the order was kept up to date until then."""
    kernels = up(spec, policy=policy, history=History(restarts, short))
    if stopped:
        kernels.take(Asked("stop", ("web",)), NOW)
    kernel = kernels["web"]
    at, order = NOW, next_order(kernel, NOW)
    while changes_at(kernel, at) <= NOW + later:
        at = changes_at(kernel, at)
        order = next_order(kernel, at)
    end(kernels, exit, at=NOW + later)
    phase = kernels["web"].phase
    again_at_once = isinstance(phase, Waiting) and phase.until <= NOW + later
    assert spawner_orders.wants_start(order, 1, exit) == again_at_once


@given(policies, st.lists(st.tuples(st.floats(0.0, 15.0), exits, st.booleans()), max_size=30))
def test_by_order_or_not_never_more_starts_than_the_intensity_allows(
    policy: Policy, lives: list[tuple[float, Exit, bool]]
) -> None:
    kernels = up(policy=policy)
    now, run, begun = NOW, 1, [NOW]
    for ran, exit, self_healing_is_late in lives:
        now += ran
        kernel = kernels["web"]
        order = Order("web", run) if self_healing_is_late else next_order(kernel, now)
        by_order = spawner_orders.wants_start(order, run, exit)
        kernels.take(RunEnded(run_of(run, at=now - ran), exit, by_order), now)
        phase = kernels["web"].phase
        if not by_order:
            if not isinstance(phase, Waiting):
                break
            now = max(now, phase.until)
        run += 1
        begun.append(now)
        kernels.take(RunBorn(run_of(run, at=now)), now)
        assert sum(t > now - policy.window for t in begun[1:]) <= policy.max_restarts + 1


# --- starts that fail


def test_starts_that_fail_one_after_the_other_are_one_incident() -> None:
    kernels = up()
    opened = end(kernels, Exit(1))
    for run in (2, 3):
        failing = RunEnded(run_of(run), Exit(code=127), text="no such file")
        assert not [a for a in kernels.take(failing, NOW + run) if isinstance(a, OpenIncident)]
    actions = kernels.take(RunBorn(run_of(4)), NOW + 9)
    closed = [a.id for a in actions if isinstance(a, CloseIncident)]
    assert closed == [a.id for a in opened if isinstance(a, OpenIncident)] == ["web-run1"]


def test_a_run_whose_spawner_died_in_its_birth_is_a_start_that_failed() -> None:
    """Run 1 was killed, and the spawner between its note of run 2 and the birth: nobody had told of either."""
    unborn = Running(Run("web", 2, started=NOW))
    kernels = up()
    first = kernels.take(Told(unborn), NOW)
    kernel = kernels["web"]
    assert (kernel.run.run, word(kernels), kernel.tally.restarts) == (2, "backoff", 2)
    second = kernels.take(RunBorn(run_of(3)), NOW + 1)
    actions = (*first, *second)
    told = [(a.kind, a.data["run"], a.data["pid"]) for a in actions if isinstance(a, Record)]
    assert told == [("kernel.exited", 1, 51), ("kernel.exited", 2, 0), ("kernel.started", 3, 53)]
    assert max(a.run for a in actions if isinstance(a, CountRestart)) == 3
    before = kernels["web"]
    assert kernels.take(Told(unborn), NOW + 2) == ()
    assert kernels["web"] == before


def test_a_kernel_that_nobody_wants_is_left_alone() -> None:
    kernel: Kernel = new_kernel(replace(WEB, autostart=False), POLICY)
    assert kernel.phase == Stopped()
    assert Kernels([kernel]).tend(NOW) == ()
