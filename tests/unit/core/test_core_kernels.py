"""What self_healing decides about kernels."""

from typing import Any

from core_kit import NOW
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graced.core import kernel as one
from graced.core import kernels, orders
from graced.core.intensity import History, Policy
from graced.core.kernels import End, GiveOrder, Kernel, Kernels, Save, Start
from graced.core.orders import Exit, Order, Running
from graced.core.vocabulary import Action, Bump, CloseIncident, OpenIncident, Record
from graced.spec.config import Dependency, ExitCodes, Ready, Stop
from graced.spec.config import Kernel as Spec

POLICY = Policy()
WEB = Spec("web", ("web",))
SHORT_LADDER = ("restart", "notify")  # the rungs between have tests of their own


def made(*specs: Spec, **changes: Any) -> Kernels:
    return {s.name: replace(Kernel(s, POLICY, wanted=True, state="backoff"), **changes) for s in specs or (WEB,)}


def running(
    run: int = 1, name: str = "web", *, alive: bool = True, exit: Exit | None = None, at: float = NOW
) -> Running:
    return Running(name, run, 50 + run, 500, at, alive=alive, exit=exit)


def up(*specs: Spec, **changes: Any) -> Kernels:
    all_ = made(*specs)
    for name in all_:
        all_, _ = kernels.born(all_, running(1, name), NOW)
    return {n: replace(k, **changes) for n, k in all_.items()}


def end(all_: Kernels, exit: Exit, *, by_order: bool = False, at: float = NOW, run: int = 1) -> tuple[Kernel, Any]:
    after, actions = kernels.exited(all_, running(run, alive=False, exit=exit), at, by_order=by_order, noise=0.0)
    return after["web"], actions


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [a.kind for a in actions if isinstance(a, Record)]


# --- starts


def test_what_is_wanted_is_started_and_asked_again_until_it_is_born() -> None:
    all_, actions = kernels.tend(made(), NOW)
    assert actions == (Start("web", 1),)
    assert kernels.tend(all_, NOW + 0.9)[1] == ()
    assert kernels.tend(all_, NOW + 1.0)[1] == (Start("web", 1),)
    all_, actions = kernels.born(all_, running(), NOW + 1)
    assert (all_["web"].state, kinds(actions)) == ("ready", ["kernel.started"])


def test_dependencies_come_first() -> None:
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    all_, actions = kernels.tend(made(WEB, api), NOW)
    assert actions == (Start("web", 1),)
    assert all_["api"].reason == kernels.WAITS
    all_, _ = kernels.born(all_, running(), NOW)
    assert Start("api", 1) in kernels.tend(all_, NOW)[1]


def test_a_one_shot_is_waited_for_until_it_ended_well() -> None:
    init = Spec("web", ("web",), ready=Ready(when="exited"))
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    all_, _ = kernels.born(made(init, api), running(), NOW)
    assert not any(isinstance(a, Start) for a in kernels.tend(all_, NOW)[1])
    all_, _ = kernels.exited(all_, running(alive=False, exit=Exit(0)), NOW, by_order=False, noise=0.0)
    assert kernels.tend(all_, NOW)[1] == (Start("api", 1),)


def test_no_more_starts_at_once_than_parallel_allows() -> None:
    all_ = made(*(Spec(f"k{n}", ("x",)) for n in range(5)))
    assert len(kernels.tend(all_, NOW, parallel=2)[1]) == 2
    assert len(kernels.tend(all_, NOW)[1]) == 5


def test_time_never_stands_still_over_what_waits() -> None:
    """`wake_at` is in the future once `tend` has run, or a loop would spin."""
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    for all_ in (
        made(WEB, api), up(WEB, api), made(asked=NOW - 9), made(asked=NOW - 9, wanted=False),
        made(api, asked=NOW - 9) | made(wanted=False), up(ending="stop"), made(state="failed"),
    ):  # fmt: skip
        after, _ = kernels.tend(all_, NOW)
        assert kernels.wake_at(after, NOW) > NOW


# --- exits


def test_a_failure_is_restarted_and_counted() -> None:
    kernel, actions = end(up(), Exit(signal=9))
    assert (kernel.state, kernel.due, kernel.restarts, kernel.rung) == ("backoff", NOW, 1, "restart")
    assert kinds(actions) == ["kernel.exited"]


def test_what_ended_well_stays_so_where_only_failures_are_restarted() -> None:
    spec = Spec("web", ("web",), restart="on-failure")
    assert end(up(spec), Exit(0))[0].state == "exited"
    assert end(up(spec), Exit(1))[0].state == "backoff"
    assert end(up(spec), Exit())[0].state == "backoff", "an exit that nobody saw counts as a failure"


def test_never_is_never() -> None:
    spec = Spec("web", ("web",), restart="never")
    kernel, actions = end(up(spec), Exit(1))
    assert kernel.state == "failed"
    assert kinds(actions) == ["kernel.exited", "escalated"]
    assert end(up(spec), Exit(0))[0].state == "exited"


def test_an_exit_code_of_no_restart_goes_to_a_person() -> None:
    spec = Spec("web", ("web",), exit_codes=ExitCodes((0,), (3,)), ladder=SHORT_LADDER)
    kernel, _ = end(up(spec), Exit(3))
    assert (kernel.state, kernel.rung) == ("failed", "notify")


def test_past_the_intensity_it_is_failed_and_nobody_starts_it() -> None:
    history = History(tuple(NOW - n for n in range(5)))
    kernel, actions = end(up(Spec("web", ("web",), ladder=SHORT_LADDER), history=history), Exit(1))
    assert kernel.state == "failed"
    assert "5 times within 60 s" in kernel.reason
    assert kinds(actions) == ["kernel.exited", "escalated"]
    assert kernels.tend({"web": kernel}, NOW + 999)[1] == ()


def test_the_backoff_is_waited_for() -> None:
    history = History((), tuple(NOW - n for n in range(2)))
    kernel, _ = end(up(history=history), Exit(1))
    assert kernel.due == NOW + 0.1
    assert kernels.tend({"web": kernel}, NOW + 0.09)[1] == ()
    assert kernels.tend({"web": kernel}, NOW + 0.1)[1] == (Start("web", 2),)


def test_a_report_that_comes_twice_counts_once() -> None:
    all_, _ = kernels.exited(up(), running(alive=False, exit=Exit(1)), NOW, by_order=False, noise=0.0)
    assert kernels.exited(all_, running(alive=False, exit=Exit(1)), NOW, by_order=False, noise=0.0) == (all_, ())


# --- what people ask


def test_what_a_person_stopped_stays_stopped_until_a_person_starts_it() -> None:
    all_, _ = kernels.person_stop(up(), ("web",), NOW)
    all_, actions = kernels.tend(all_, NOW)
    assert actions == (End("web", 1, 15, 10.0),)
    all_, _ = kernels.exited(all_, running(alive=False, exit=Exit(signal=15)), NOW, by_order=False, noise=0.0)
    assert (all_["web"].state, all_["web"].held) == ("stopped", True)
    assert kernels.tend(all_, NOW + 99)[1] == ()
    all_, _ = kernels.person_start(all_, ("web",), NOW)
    assert kernels.tend(all_, NOW)[1] == (Start("web", 2),)


def test_a_stop_that_overtakes_a_start_ends_what_is_born_of_it() -> None:
    all_, _ = kernels.tend(made(), NOW)
    all_, _ = kernels.person_stop(all_, ("web",), NOW)
    all_, _ = kernels.born(all_, running(), NOW)
    assert kernels.tend(all_, NOW)[1] == (End("web", 1, 15, 10.0),)


def test_a_stop_that_overtakes_a_start_that_was_lost_is_a_stop() -> None:
    all_, _ = kernels.tend(made(), NOW)
    all_, _ = kernels.person_stop(all_, ("web",), NOW)
    all_, actions = kernels.tend(all_, NOW + 1)
    assert (all_["web"].state, actions) == ("stopped", ())


def test_a_start_that_overtakes_a_stop_starts_it_after_its_end() -> None:
    all_, _ = kernels.person_stop(up(), ("web",), NOW)
    all_, _ = kernels.tend(all_, NOW)
    all_, _ = kernels.person_start(all_, ("web",), NOW)
    all_, _ = kernels.exited(all_, running(alive=False, exit=Exit(signal=15)), NOW, by_order=False, noise=0.0)
    assert kernels.tend(all_, NOW)[1] == (Start("web", 2),)


def test_a_restart_by_a_person_clears_the_count_and_the_rung() -> None:
    tired = up(history=History((NOW, NOW)), rung="restart")
    all_, _ = kernels.person_restart(tired, ("web",), NOW)
    assert (all_["web"].history, all_["web"].rung, all_["web"].ending) == (History(), None, "restart")
    all_, _ = kernels.exited(all_, running(alive=False, exit=Exit(signal=15)), NOW, by_order=False, noise=0.0)
    assert all_["web"].restarts == 0
    assert kernels.tend(all_, NOW)[1] == (Start("web", 2),)


def test_a_person_starts_what_it_depends_on_too() -> None:
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    all_, _ = kernels.person_start(made(WEB, api, wanted=False, held=True, state="stopped"), ("api",), NOW)
    assert all(k.wanted and not k.held for k in all_.values())


def test_dependents_are_stopped_before_what_they_depend_on() -> None:
    api = Spec("api", ("api",), depends_on=(Dependency("web"),))
    assert kernels.stop_waves(made(WEB, api), ("web", "api")) == (("api",), ("web",))


# --- adoption


def test_a_kernel_keeps_its_pid_and_a_new_spawner_is_given_the_order_again() -> None:
    all_, _ = kernels.tend(up(), NOW)
    assert kernels.tend(all_, NOW)[1] == ()
    all_, actions = kernels.adopt(all_, running(), NOW)
    assert actions == ()
    (given_,) = kernels.tend(all_, NOW)[1]
    assert isinstance(given_, GiveOrder)


def test_a_new_self_healing_takes_over_what_runs() -> None:
    all_, actions = kernels.adopt(made(run=1), running(), NOW)
    assert (all_["web"].pid, all_["web"].state) == (51, "ready")
    assert isinstance(actions[-1], Save)


def test_what_a_person_stopped_is_ended_when_it_is_found_alive() -> None:
    all_, _ = kernels.adopt(made(run=1, wanted=False, held=True, state="stopped"), running(), NOW)
    assert kernels.tend(all_, NOW)[1] == (End("web", 1, 15, 10.0),)


def test_an_exit_that_nobody_saw_is_a_failure() -> None:
    all_, _ = kernels.adopt(up(), running(alive=False), NOW)
    assert (all_["web"].state, all_["web"].exit) == ("backoff", Exit())


def test_restarts_whose_reports_were_lost_count_all_the_same() -> None:
    all_, _ = kernels.adopt(up(), running(4), NOW)
    assert len(all_["web"].history.restarts) == 3
    all_, _ = kernels.adopt(up(), running(4, alive=False, exit=Exit(1)), NOW)
    assert len(all_["web"].history.restarts) == 4


def test_news_that_skips_runs_counts_them() -> None:
    all_, _ = kernels.exited(up(), running(3, alive=False, exit=Exit(1)), NOW, by_order=False, noise=0.0)
    assert len(all_["web"].history.restarts) == 3
    all_, _ = kernels.born(up(), running(3), NOW)
    assert len(all_["web"].history.restarts) == 2
    asked, _ = kernels.tend(made(run=4), NOW)
    all_, _ = kernels.born(asked, running(5), NOW)
    assert all_["web"].history.restarts == (), "the run that was asked for is no surprise"


def test_every_failure_is_counted_as_recovered_once_whatever_was_lost_between() -> None:
    all_, _ = kernels.exited(up(), running(1, alive=False, exit=Exit(1)), NOW, by_order=True, noise=0.0)
    all_, first = kernels.exited(all_, running(2, alive=False, exit=Exit(1)), NOW + 1, by_order=True, noise=0.0)
    all_, second = kernels.born(all_, running(3), NOW + 1)
    counted = [a.incident for a in (*first, *second) if isinstance(a, Bump)]
    assert counted == ["web-run1", "web-run2"]


def test_the_past_is_no_news() -> None:
    all_ = up(run=7)
    assert kernels.adopt(all_, running(3), NOW) == (all_, ())


# --- the standing order


specs = st.builds(
    Spec, st.just("web"), st.just(("web",)), restart=st.sampled_from(["always", "on-failure", "never"]),
    exit_codes=st.sampled_from([ExitCodes(), ExitCodes((0, 2), (3,))]), stop=st.just(Stop()),
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
    held: bool,
) -> None:  # fmt: skip
    """At whatever moment the run exits, if the order was kept up to date until then."""
    kernel = replace(
        up(spec)["web"], policy=policy, history=History(restarts, short), wanted=not held, ending="stop" if held else ""
    )
    at, order = NOW, one.next_order(kernel, NOW)
    while one.order_changes_at(kernel, at) <= NOW + later:
        at = one.order_changes_at(kernel, at)
        order = one.next_order(kernel, at)
    starts = orders.wants_start(order, 1, exit)
    after, _ = end({"web": kernel}, exit, at=NOW + later)
    again_at_once = after.state == "backoff" and after.due <= NOW + later
    assert starts == again_at_once


@given(policies, st.lists(st.tuples(st.floats(0.0, 15.0), exits, st.booleans()), max_size=30))
def test_by_order_or_not_never_more_starts_than_the_intensity_allows(
    policy: Policy, lives: list[tuple[float, Exit, bool]]
) -> None:
    all_ = {"web": replace(up()["web"], policy=policy)}
    now, run, starts = NOW, 1, [NOW]
    for ran, exit, self_healing_is_late in lives:
        now += ran
        kernel = all_["web"]
        order = Order("web", run) if self_healing_is_late else one.next_order(kernel, now)
        by_order = orders.wants_start(order, run, exit)
        gone = running(run, alive=False, exit=exit, at=now - ran)
        all_, _ = kernels.exited(all_, gone, now, by_order=by_order, noise=0.0)
        if not by_order:
            if all_["web"].state != "backoff" or all_["web"].climb:
                break
            now = max(now, all_["web"].due)
        run += 1
        starts.append(now)
        all_, _ = kernels.born(all_, running(run, at=now), now)
        assert sum(t > now - policy.window for t in starts[1:]) <= policy.max_restarts + 1


# --- starts that fail


def test_starts_that_fail_one_after_the_other_are_one_incident() -> None:
    broken = running(2, alive=False, exit=Exit(code=127))
    all_, opened = kernels.exited(up(), running(1, alive=False, exit=Exit(1)), NOW, by_order=False, noise=0.0)
    for run in (2, 3):
        failing = replace(broken, run=run)
        all_, actions = kernels.exited(all_, failing, NOW + run, by_order=False, noise=0.0, text="no such file")
        assert not [a for a in actions if isinstance(a, OpenIncident)]
    all_, actions = kernels.born(all_, running(4), NOW + 9)
    closed = [a.id for a in actions if isinstance(a, CloseIncident)]
    assert closed == [a.id for a in opened if isinstance(a, OpenIncident)] == ["web-run1"]


def test_a_run_whose_spawner_died_in_its_birth_is_a_start_that_failed() -> None:
    """Run 1 was killed, and the spawner between its note of run 2 and the birth: nobody had told of either."""
    unborn = replace(running(2, alive=False), pid=0, start_ticks=0)
    all_, first = kernels.adopt(up(), unborn, NOW)
    assert (all_["web"].run, all_["web"].state, all_["web"].restarts) == (2, "backoff", 2)
    all_, second = kernels.born(all_, running(3), NOW + 1)
    actions = (*first, *second)
    told = [(a.kind, a.data["run"], a.data["pid"]) for a in actions if isinstance(a, Record)]
    assert told == [("kernel.exited", 1, 51), ("kernel.exited", 2, 0), ("kernel.started", 3, 53)]
    assert [a.incident for a in actions if isinstance(a, Bump)] == ["web-run1"], "one failure, one recovery"
    assert kernels.adopt(all_, unborn, NOW + 2) == (all_, ())
