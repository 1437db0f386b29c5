"""The rungs of the ladder: which is taken when, and what becomes of the kernel."""

from msgspec.structs import replace

from graced.core import kernels, ladder
from graced.core.intensity import LONG_RUN_S, History, Policy
from graced.core.kernel import (
    FIRST_KEEP_S,
    Evidence,
    Examine,
    FixSource,
    Keep,
    Kernel,
    Kernels,
    RestoreSource,
    Start,
    Step,
)
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, CloseIncident, Record
from graced.spec.config import Kernel as Spec

NAME = "web"
SYNTAX = Evidence("SyntaxError: invalid syntax", True, "/src/a.py", ("/src/main.py", "/src/a.py"), True)
RAISED = Evidence("KeyError: 'a'", False, "/src/a.py", ("/src/a.py",), False, True)
POLICY = Policy(max_restarts=0)


def down(spec: Spec | None = None, **keys: object) -> tuple[Kernel, tuple[Action, ...]]:
    """A kernel whose run 1 has just failed, with no restart left."""
    spec = spec or Spec(NAME, ("x",), sources=("/src",))
    running = Running(NAME, 1, 4711, 1, 100.0, alive=True)
    known: Kernels = {NAME: replace(Kernel(spec, POLICY, wanted=True), **keys)}
    known, _ = kernels.born(known, running, 100.0)
    exited = replace(running, alive=False, exit=Exit(code=1))
    known, actions = kernels.exited(known, exited, 101.0, by_order=False, noise=0.0)
    return known[NAME], actions


def take(step: Step) -> tuple[Kernel, tuple[Action, ...]]:
    return step[0][NAME], step[1]


def examined(kernel: Kernel, evidence: Evidence, now: float = 101.1) -> tuple[Kernel, tuple[Action, ...]]:
    return take(ladder.examined({NAME: kernel}, NAME, kernel.run, evidence, now))


def kinds(actions: tuple[Action, ...]) -> set[type[Action]]:
    return {type(action) for action in actions}


def test_past_the_intensity_the_failure_is_examined_before_anybody_is_called() -> None:
    kernel, actions = down()
    assert Examine(NAME, 1) in actions
    assert (kernel.state, kernel.climb) == ("backoff", "examine")
    assert not any(isinstance(a, Record) and a.kind == "escalated" for a in actions)
    still, actions = take(kernels.tend({NAME: kernel}, 101.05))
    assert not actions
    assert still == kernel


def test_a_syntax_error_goes_to_the_coding_agent_until_it_answers() -> None:
    kernel, _ = down()
    kernel, actions = examined(kernel, SYNTAX)
    fix = FixSource(NAME, 1, "web-run1", "/src/a.py", SYNTAX.error)
    assert fix in actions
    assert kernel.rung == "fix_source"
    _, actions = take(kernels.tend({NAME: kernel}, 102.2))
    assert actions == (fix,)
    kernel, _ = take(ladder.told({NAME: kernel}, NAME, 1, "fix_source", True, "mended", 103.0))
    assert (kernel.climb, kernel.history) == ("", History())
    _, actions = take(kernels.tend({NAME: kernel}, 103.0))
    assert Start(NAME, 2) in actions


def test_what_does_not_apply_is_passed_over() -> None:
    for evidence in (replace(SYNTAX, mendable=False), replace(RAISED, changed=False), Evidence()):
        kernel, actions = examined(down()[0], evidence)
        assert (kernel.state, kernel.rung) == ("failed", "notify")
        assert any(isinstance(a, CloseIncident) and a.state == "escalated" for a in actions)
        assert not kinds(actions) & {FixSource, RestoreSource}


def test_another_failure_of_changed_sources_has_them_put_back_once() -> None:
    kernel, actions = examined(down()[0], RAISED)
    assert RestoreSource(NAME, 1, "web-run1") in actions
    kernel, _ = take(ladder.told({NAME: kernel}, NAME, 1, "restore_source", True, "put back", 102.0))
    assert "restore_source" in kernel.tried
    again, _ = examined(replace(kernel, climb="examine", incident="i"), RAISED)
    assert again.state == "failed"


def test_the_order_of_the_ladder_is_kept_and_only_its_rungs_are_taken() -> None:
    spec = Spec(NAME, ("x",), sources=("/src",), ladder=("restart", "notify"))
    kernel, actions = down(spec)
    assert kernel.state == "failed"
    assert Examine(NAME, 1) in actions  # what its log names may be mended later
    spec = Spec(NAME, ("x",), sources=("/src",), ladder=("restore_source", "fix_source", "notify"))
    kernel, _ = examined(down(spec)[0], SYNTAX)
    kernel, _ = take(ladder.told({NAME: kernel}, NAME, 1, "fix_source", False, "no repair", 102.0))
    assert kernel.state == "failed"


def test_one_broken_file_after_the_other_is_mended_but_the_same_one_not_again() -> None:
    kernel, _ = examined(down()[0], SYNTAX)
    kernel, _ = take(ladder.told({NAME: kernel}, NAME, 1, "fix_source", True, "mended", 102.0))
    other = replace(SYNTAX, path="/src/b.py")
    second, actions = examined(replace(kernel, climb="examine"), other)
    assert FixSource in kinds(actions)
    third, _ = examined(replace(second, climb="examine"), SYNTAX)
    assert third.state == "failed"


def test_a_rung_that_takes_too_long_is_over() -> None:
    kernel, _ = examined(down()[0], SYNTAX)
    kernel, _ = take(kernels.tend({NAME: kernel}, kernel.due))
    assert kernel.state == "failed"
    kernel, _ = down()
    kernel, _ = take(kernels.tend({NAME: kernel}, kernel.due))
    assert kernel.state == "failed"


def test_a_kernel_that_failed_over_a_file_starts_when_it_is_mended_and_others_do_not() -> None:
    spec = Spec(NAME, ("x",))
    kernel, _ = examined(down(spec)[0], replace(SYNTAX, mendable=False))
    assert kernel.state == "failed"
    same, actions = take(ladder.mended({NAME: kernel}, ("/elsewhere.py",), 110.0))
    assert (same, actions) == (kernel, ())
    kernel, _ = take(ladder.mended({NAME: kernel}, ("/src/a.py",), 110.0))
    _, actions = take(kernels.tend({NAME: kernel}, 110.0))
    assert Start(NAME, 2) in actions


def test_what_a_person_stopped_is_not_started_by_a_mend() -> None:
    kernel, _ = examined(down()[0], SYNTAX)
    stopped, _ = take(kernels.person_stop({NAME: kernel}, (NAME,), 102.0))
    after, actions = take(ladder.mended({NAME: stopped}, ("/src/a.py",), 103.0))
    assert (after, actions) == (stopped, ())
    assert stopped.state == "stopped"
    assert take(kernels.tend({NAME: stopped}, 104.0))[1] == ()


def test_a_persons_start_ends_the_climb() -> None:
    kernel, _ = examined(down()[0], SYNTAX)
    kernel, _ = take(kernels.person_start({NAME: kernel}, (NAME,), 102.0))
    assert (kernel.climb, kernel.rung, kernel.tried) == ("", None, ())
    assert Start(NAME, 2) in take(kernels.tend({NAME: kernel}, 102.0))[1]


def test_snapshots_are_asked_for_when_a_run_is_worth_it_and_a_long_run_ends_the_ladder() -> None:
    spec = Spec(NAME, ("x",), sources=("/src",))
    known: Kernels = {NAME: Kernel(spec, POLICY, wanted=True, tried=("restore_source",), rung="restore_source")}
    known, _ = kernels.born(known, Running(NAME, 1, 4711, 1, 100.0, alive=True), 100.0)
    keeps = []
    for now in (100.0, 100.0 + FIRST_KEEP_S, 105.0, 100.0 + LONG_RUN_S, 120.0):
        known, actions = kernels.tend(known, now)
        keeps.append([a.proven for a in actions if isinstance(a, Keep)])
    assert keeps == [[], [False], [], [True], []]
    assert (known[NAME].rung, known[NAME].tried) == (None, ())


def test_answers_about_an_older_run_are_nothing() -> None:
    kernel, _ = down()
    assert ladder.examined({NAME: kernel}, NAME, 7, SYNTAX, 102.0)[1] == ()
    assert ladder.told({NAME: kernel}, NAME, 1, "fix_source", True, "", 102.0)[1] == ()
    assert ladder.examined({}, NAME, 1, SYNTAX, 102.0) == ({}, ())


def test_renew_restarts_only_what_runs() -> None:
    kernel, _ = down()
    assert ladder.renew({NAME: kernel}, (NAME,), 102.0)[1] == ()
    known, _ = kernels.born({NAME: kernel}, Running(NAME, 2, 4712, 1, 103.0, alive=True), 103.0)
    known, _ = ladder.renew(known, (NAME,), 104.0)
    assert known[NAME].ending == "restart"
