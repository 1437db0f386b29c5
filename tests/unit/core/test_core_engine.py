"""The playbook engine: order, parallel steps, attempts in all, what ends a run, and going on where another was."""

from core_kit import NOW, PLAYBOOKS
from hypothesis import given
from hypothesis import strategies as st

from graced.core import engine
from graced.core.engine import Run
from graced.spec.playbook import Playbook, Step


def book(*steps: Step) -> Playbook:
    return Playbook("p", steps=steps)


def new(*steps: Step) -> Run:
    return engine.new_run("r", book(*steps), ("t",), 1, "i", NOW)


def begin(run: Run, now: float = NOW) -> Run:
    for index in engine.due(run, now):
        run = engine.attempt(run, index, now)
    return run


A, B, C = Step("a", "x"), Step("b", "x"), Step("c", "x")


def test_steps_follow_each_other() -> None:
    run = begin(new(A, B))
    assert (engine.running(run), engine.due(run, NOW)) == ((0,), ())
    run = engine.settle(run, 0, True, "", NOW)
    assert engine.due(run, NOW) == (1,)


def test_parallel_steps_begin_together_and_the_next_waits_for_both() -> None:
    run = begin(new(A, Step("b", "x", parallel=True), C))
    assert engine.running(run) == (0, 1)
    run = engine.settle(run, 1, True, "", NOW)
    assert engine.due(run, NOW) == ()
    run = engine.settle(run, 0, True, "", NOW)
    assert engine.due(run, NOW) == (2,)


def test_one_of_two_parallel_steps_is_tried_again_alone() -> None:
    run = begin(new(A, Step("b", "x", parallel=True, retries=2), C))
    run = engine.settle(engine.settle(run, 0, True, "", NOW), 1, False, "no", NOW)
    assert engine.due(run, NOW) == (1,)


def test_retries_are_attempts_in_all_with_a_delay_between() -> None:
    run = new(Step("a", "x", retries=3, delay_s=0.2))
    for n in (1, 2, 3):
        now = NOW + n
        run = begin(run, now)
        assert run.steps[0].attempt == n
        run = engine.settle(run, 0, False, "no", now)
        assert engine.due(run, now + 0.1) == ()
        assert engine.due(run, now + 0.2) == ((0,) if n < 3 else ())
    assert engine.conclude(run).ok is False
    assert engine.failure(run) == "a: no"


def test_a_failed_step_ends_the_run_and_nothing_begins_after_it() -> None:
    run = engine.settle(begin(new(A, B)), 0, False, "no", NOW)
    assert engine.due(run, NOW) == ()
    assert engine.conclude(run).ok is False


def test_a_failed_step_waits_for_the_one_beside_it() -> None:
    run = begin(new(A, Step("b", "x", parallel=True), C))
    run = engine.settle(run, 0, False, "no", NOW)
    assert engine.conclude(run).ok is None
    assert engine.conclude(engine.settle(run, 1, True, "", NOW)).ok is False


def test_a_failure_that_is_passed_over_fails_the_run_all_the_same() -> None:
    run = engine.settle(begin(new(Step("a", "x", on_failure="continue"), B)), 0, False, "no", NOW)
    run = engine.settle(begin(run), 1, True, "", NOW)
    assert engine.conclude(run).ok is False


def test_skipped_steps_count_as_ended() -> None:
    run = engine.skip(new(A), 0, "when: false")
    assert engine.conclude(run).ok is True


def test_an_attempt_has_a_deadline() -> None:
    run = begin(new(Step("a", "x", timeout_s=2.0)))
    assert engine.wake_at(run) == NOW + 2.0
    assert begin(new(A)).steps[0].deadline == NOW + engine.STEP_TIMEOUT_S


def test_a_takeover_does_not_repeat_what_is_done_and_knows_that_it_took_over() -> None:
    run = begin(engine.settle(begin(new(A, B, C)), 0, True, "", NOW))
    note = engine.note_of(engine.mark(run, "granted:architect"))
    taken = engine.resume(new(A, B, C), note)
    assert engine.due(taken, NOW) == (1,)
    assert taken.started == NOW
    assert set(taken.marks) == {"granted:architect", engine.TAKEN_OVER}


def test_a_run_that_is_tried_again_keeps_its_marks_but_one() -> None:
    run = engine.settle(begin(engine.mark(engine.mark(new(A), "kept"), "forgotten")), 0, False, "no", NOW)
    again = engine.again(engine.conclude(run), NOW + 5, "forgotten")
    assert (again.ok, again.marks) == (None, ("kept",))
    assert engine.due(again, NOW + 4.9) == ()
    assert engine.due(again, NOW + 5) == (0,)


def test_the_emergency_is_told_and_done_in_ten_steps() -> None:
    steps = PLAYBOOKS["emergency_healer_recovery"].steps
    assert [s.name for s in steps] == [
        "activate_emergency", "delegate_powers", "restart_self_healing", "restart_coding_agent", "verify_self_healing",
        "verify_coding_agent", "revoke_powers", "deactivate_emergency", "verify_mutual_recovery", "audit",
    ]  # fmt: skip
    assert steps[3].parallel
    assert [s.retries for s in steps[2:6]] == [3, 3, 5, 5]


shapes = st.lists(
    st.builds(
        Step, st.uuids().map(str), st.just("x"), retries=st.integers(1, 3), parallel=st.booleans(),
        delay_s=st.sampled_from([0.0, 0.5]), on_failure=st.sampled_from(["stop", "continue"]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(shapes, st.data())
def test_every_run_ends_and_no_step_has_more_attempts_than_allowed(steps: list[Step], data: st.DataObject) -> None:
    run, now = new(*steps), NOW
    for _ in range(200):
        run = begin(run, now)
        if engine.running(run):
            index = data.draw(st.sampled_from(engine.running(run)))
            run = engine.settle(run, index, data.draw(st.booleans()), "", now)
        run = engine.conclude(run)
        if run.ok is not None:
            break
        now += 0.5
    assert run.ok is not None
    assert all(p.attempt <= s.retries for s, p in zip(steps, run.steps, strict=True))
    assert run.ok == all(p.state in ("ok", "skipped") for p in run.steps)
