"""The spawner's rules for kernels: births by request and by standing order, each order once and for one run."""

from core_kit import NOW

from graced.core import orders
from graced.core.orders import EndTree, Exit, Launch, Order, Report, Runs
from graced.spec.run import Run

KILLED = Exit(signal=9)


def alive(run: int = 1) -> Runs:
    return orders.launched({}, Run("web", run, 50, 500, "boot", NOW), NOW)[0]


def start_again(run: int = 1, **changes: object) -> Order:
    return Order("web", run, "start", **changes)  # type: ignore[arg-type]


def exited(runs: Runs, exit: Exit = KILLED, **flags: bool) -> tuple[Runs, tuple[object, ...]]:
    return orders.exited(runs, "web", 50, exit, NOW, **flags)


def test_a_request_for_the_next_run_is_a_launch() -> None:
    assert orders.start({}, "web", 1, NOW)[1] == (Launch("web", 1, False),)


def test_a_run_that_is_not_above_the_highest_is_refused_and_so_is_a_second_beside_a_live_one() -> None:
    for runs, run in ((exited(alive(2))[0], 2), (exited(alive(2))[0], 1), (alive(1), 2)):
        (report,) = orders.start(runs, "web", run, NOW)[1]
        assert isinstance(report, Report)
        assert report.what == "refused"


def test_nothing_is_born_while_graced_is_being_stopped() -> None:
    (report,) = orders.start({}, "web", 1, NOW, stopping=True)[1]
    assert isinstance(report, Report)
    runs = orders.give(alive(), start_again())
    assert len(exited(runs, stopping=True)[1]) == 1


def test_an_order_is_carried_out_and_the_exit_is_reported_before_the_birth() -> None:
    runs, actions = exited(orders.give(alive(), start_again()))
    report, launch = actions
    assert launch == Launch("web", 2, True)
    assert isinstance(report, Report)
    assert (report.what, report.by_order, report.running.exit) == ("exited", True, KILLED)
    assert runs["web"].order is None, "each order is used up by one exit"


def test_without_an_order_an_exit_is_only_reported() -> None:
    assert len(exited(alive())[1]) == 1
    assert len(exited(orders.give(alive(), Order("web", 1)))[1]) == 1


def test_an_order_for_another_run_is_void() -> None:
    runs = alive(2)
    assert orders.give(runs, start_again(1)) is runs
    assert orders.give(exited(runs)[0], start_again(2)) == exited(runs)[0]


def test_on_failure_and_no_restart_are_seen_to_without_self_healing() -> None:
    runs = orders.give(alive(), start_again(on_failure=True, no_restart=(3,)))
    assert [len(exited(runs, e)[1]) for e in (Exit(0), Exit(1), Exit(3), KILLED, Exit())] == [1, 2, 1, 2, 2]


def test_no_order_is_carried_out_during_a_stop() -> None:
    runs = orders.give(alive(), start_again())
    ending, actions = orders.stop(runs, "web", 1)
    assert actions == (EndTree("web", 1),)
    assert len(exited(ending)[1]) == 1


def test_a_stop_of_what_is_not_alive_or_another_run_is_harmless() -> None:
    assert orders.stop(alive(2), "web", 1)[1] == ()
    assert orders.stop(exited(alive())[0], "web", 1)[1] == ()


def test_an_exit_of_another_process_is_ignored() -> None:
    runs = alive()
    assert orders.exited(runs, "web", 51, KILLED, NOW) == (runs, ())


def test_a_birth_that_failed_uses_the_run_up() -> None:
    runs, (report,) = orders.not_launched({}, Run("web", 1), "no such program", NOW)
    assert isinstance(report, Report)
    assert (report.running.exit, report.text) == (Exit(code=127), "no such program")
    assert orders.start(runs, "web", 2, NOW)[1] == (Launch("web", 2, False),)


def test_how_an_exit_reads() -> None:
    assert [str(e) for e in (Exit(1), KILLED, Exit())] == ["exit code 1", "signal 9", "ended, nobody saw how"]
    assert [e.known for e in (Exit(0), KILLED, Exit())] == [True, True, False]
