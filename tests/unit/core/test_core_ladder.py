"""The rungs of the ladder: which is taken when, and what becomes of the kernel."""

from typing import Any

from msgspec.structs import replace

from graced.core.intensity import LONG_RUN_S, History, Policy
from graced.core.kernels import ladder, view
from graced.core.kernels.machine import Kernels
from graced.core.kernels.state import Climbing, Evidence, Tally, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    BeginRung,
    Examine,
    Examined,
    Keep,
    RunBorn,
    RunEnded,
    RungEnded,
    RungOutcome,
    SourcesMended,
    SourcesRenewed,
    Start,
)
from graced.core.orders import Exit
from graced.core.vocabulary import Action, NoteStep, Record
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

NAME = "web"
SYNTAX = Evidence("SyntaxError: invalid syntax", ("/src/main.py", "/src/a.py"))
POLICY = Policy(max_restarts=0)


class Down:
    """A kernel whose run 1 has just failed, with no restart left."""

    def __init__(self, spec: Spec | None = None) -> None:
        spec = spec or Spec(NAME, ("x",), sources=("/src",))
        self.kernels = Kernels([new_kernel(spec, POLICY, wanted=True)])
        self.fall(1, 100.0)

    def fall(self, run: int, at: float) -> None:
        """Run `run` is born, and fails a second later."""
        born = Run(NAME, run, 4710 + run, 1, "boot", at)
        self.kernels.take(RunBorn(born), at)
        self.actions: tuple[Action, ...] = self.kernels.take(RunEnded(born, Exit(code=1)), at + 1)

    def take(self, event: Any, now: float) -> tuple[Action, ...]:
        self.actions = self.kernels.take(event, now)
        return self.actions

    def examined(self, evidence: Evidence, now: float = 101.1) -> None:
        self.take(Examined(NAME, self.kernel.run.run, evidence), now)

    def ended(self, rung: str, outcome: RungOutcome, text: str = "", now: float = 102.0, **keys: Any) -> None:
        restart = outcome == "held_on" and rung != "notify"
        event = RungEnded(NAME, self.kernel.run.run, self.kernel.incident, rung, outcome, text, restart)
        self.take(replace(event, **keys), now)

    @property
    def kernel(self) -> Any:
        return self.kernels[NAME]

    @property
    def rung(self) -> str | None:
        phase = self.kernel.phase
        return phase.rung if isinstance(phase, Climbing) else None

    @property
    def state(self) -> str:
        return view.state(self.kernel)


def begun(actions: tuple[Action, ...]) -> list[str]:
    return [a.rung for a in actions if isinstance(a, BeginRung)]


def escalated(actions: tuple[Action, ...]) -> int:
    return sum(isinstance(a, Record) and a.kind == "escalated" for a in actions)


def test_past_the_intensity_the_failure_is_examined_before_anybody_is_called() -> None:
    down = Down()
    assert Examine(NAME, 1) in down.actions
    assert (down.state, down.rung) == ("backoff", ladder.EXAMINE)
    assert not escalated(down.actions)
    assert down.kernels.tend(101.05) == ()
    assert down.kernels.tend(102.0) == (Examine(NAME, 1),), "asked again until it is answered"


def test_a_rung_is_begun_until_it_ends_and_has_the_kernel_started_with_its_count_cleared() -> None:
    down = Down()
    down.examined(SYNTAX)
    begin = BeginRung(NAME, 1, "web-run1", "fix_source")
    assert begin in down.actions
    assert down.kernel.tally.rung == "fix_source"
    assert down.kernels.tend(102.2) == (begin,)
    down.ended("fix_source", "held_on", "mended", 103.0)
    assert NoteStep("web-run1", "fix_source", True, "mended") in down.actions
    assert (down.rung, down.kernel.tally.history) == (None, History())
    assert Start(NAME, 2) in down.kernels.tend(103.0)


def test_what_does_not_apply_is_passed_over_without_a_note() -> None:
    down = Down()
    down.examined(SYNTAX)
    down.ended("fix_source", "not_applicable")
    assert begun(down.actions) == ["restore_source"]
    assert not any(isinstance(a, NoteStep) for a in down.actions)
    down.ended("restore_source", "failed", "no snapshot")
    assert NoteStep("web-run1", "restore_source", False, "no snapshot") in down.actions
    assert begun(down.actions) == ["notify"]


def test_a_person_is_called_once_and_the_kernel_is_failed_meanwhile() -> None:
    down = Down(Spec(NAME, ("x",), ladder=("restart", "notify")))
    assert (begun(down.actions), escalated(down.actions), down.state) == (["notify"], 1, "failed")
    down.ended("notify", "held_on", "told by mail")
    assert (down.state, escalated(down.actions)) == ("failed", 0)


def test_a_playbook_is_a_rung_like_any_other_and_is_taken_once_until_one_holds() -> None:
    down = Down(Spec(NAME, ("x",), ladder=("restart", "clear_cache", "notify")))
    down.examined(Evidence())
    assert begun(down.actions) == ["clear_cache"]
    down.ended("clear_cache", "held_on", "cleared")
    down.fall(2, 103.0)
    down.examined(Evidence("KeyError: 'a'", ("/src/a.py",)), 104.1)
    assert begun(down.actions) == ["notify"]


def test_a_rung_that_did_its_work_and_wants_no_restart_is_followed_by_the_next() -> None:
    down = Down(Spec(NAME, ("x",), ladder=("look_around", "notify")))
    down.examined(Evidence())
    down.ended("look_around", "held_on", "seen", restart=False)
    assert begun(down.actions) == ["notify"]


def test_one_broken_file_after_the_other_is_mended_but_the_same_one_not_again() -> None:
    down = Down()
    taken = []
    for run, path in ((1, "/src/a.py"), (2, "/src/b.py"), (3, "/src/a.py")):
        if run > 1:
            down.fall(run, 100.0 + run)
        down.examined(replace(SYNTAX, named=(path,)), 101.0 + run)
        taken += begun(down.actions)
        down.ended("fix_source", "held_on")
    assert taken == ["fix_source", "fix_source", "restore_source"]


def test_a_rung_that_takes_too_long_is_over() -> None:
    down = Down()
    assert begun(down.kernels.tend(101.0 + ladder.LIMIT_S[ladder.EXAMINE])) == ["fix_source"]
    actions = down.kernels.tend(down.kernel.phase.since + ladder.DEFAULT_LIMIT_S)
    assert [a.ok for a in actions if isinstance(a, NoteStep)] == [False]
    assert begun(actions) == ["restore_source"]


def failed(spec: Spec | None = None) -> Down:
    down = Down(spec or Spec(NAME, ("x",), ladder=("restart", "notify")))
    down.examined(SYNTAX)
    down.ended("notify", "held_on")
    assert down.state == "failed"
    return down


def test_a_kernel_that_failed_over_a_file_starts_when_it_is_mended_and_others_do_not() -> None:
    down = failed()
    assert down.take(SourcesMended(("/elsewhere.py",)), 110.0) == ()
    down.take(SourcesMended(("/src/a.py",)), 110.0)
    assert Start(NAME, 2) in down.kernels.tend(110.0)


def test_what_a_person_stopped_is_not_started_by_a_mend() -> None:
    down = failed()
    down.take(Asked("stop", (NAME,)), 102.0)
    assert down.take(SourcesMended(("/src/a.py",)), 103.0) == ()
    assert down.state == "stopped"
    assert down.kernels.tend(104.0) == ()


def test_a_persons_start_ends_the_climb() -> None:
    down = Down()
    down.examined(SYNTAX)
    down.take(Asked("start", (NAME,)), 102.0)
    assert (down.rung, down.kernel.tally.rung, down.kernel.tally.tried) == (None, None, ())
    assert Start(NAME, 2) in down.kernels.tend(102.0)


def test_snapshots_are_asked_for_when_a_run_is_worth_it_and_a_long_run_ends_the_ladder() -> None:
    spec = Spec(NAME, ("x",), sources=("/src",))
    tally = Tally(tried=("restore_source",), rung="restore_source")
    kernels = Kernels([replace(new_kernel(spec, POLICY, wanted=True), tally=tally)])
    kernels.take(RunBorn(Run(NAME, 1, 4711, 1, "boot", 100.0)), 100.0)
    keeps = []
    for now in (100.0, 100.0 + ladder.FIRST_KEEP_S, 105.0, 100.0 + LONG_RUN_S, 120.0):
        keeps.append([a.proven for a in kernels.tend(now) if isinstance(a, Keep)])
    assert keeps == [[], [False], [], [True], []]
    assert (kernels[NAME].tally.rung, kernels[NAME].tally.tried) == (None, ())


def test_answers_about_another_run_incident_or_rung_are_nothing() -> None:
    down = Down()
    assert down.take(Examined(NAME, 7, SYNTAX), 102.0) == ()
    down.examined(SYNTAX)
    for keys in ({"run": 7}, {"incident": "web-run0"}, {"rung": "restore_source"}, {"kernel": "nobody"}):
        event = RungEnded(NAME, 1, "web-run1", "fix_source", "held_on", "", True)
        down.take(replace(event, **keys), 102.0)
        assert (down.actions, down.rung) == ((), "fix_source")


def test_renew_restarts_only_what_runs() -> None:
    down = Down()
    assert down.take(SourcesRenewed((NAME,)), 102.0) == ()
    down.kernels.take(RunBorn(Run(NAME, 2, 4712, 1, "boot", 103.0)), 103.0)
    down.take(SourcesRenewed((NAME,)), 104.0)
    assert down.kernel.phase.why == "restart"
