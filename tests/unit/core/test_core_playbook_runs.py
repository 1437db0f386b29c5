"""Runs of users' playbooks in the core: powers, locks, triggers, variables, and going on where a dead executor was."""

from typing import Any

import pytest
from core_kit import NOW, POLICY, TIMING, member, newborn, of, only, records, run
from msgspec.structs import replace

from graced.core import engine, leases, powers, triggers
from graced.core.kernels import table
from graced.core.kernels.state import new_kernel
from graced.core.kernels.vocabulary import PersonStops, RunBorn, RunEnded
from graced.core.orders import Exit
from graced.core.state import State
from graced.core.vocabulary import (
    Action,
    Decided,
    Died,
    EndRun,
    Fired,
    Happened,
    LeaseGiven,
    LeaseTaken,
    Perform,
    Ready,
    Record,
    Resumed,
    RunAsked,
    SaveRun,
    StepDone,
    Stopping,
    TakeTargets,
    TargetsTaken,
)
from graced.spec.actions import BUILT_IN
from graced.spec.config import Kernel
from graced.spec.playbook import Approve, Playbook, Step, Trigger
from graced.spec.roles import DELEGATES, POWERS
from graced.spec.run import Run


def say(name: str, **keys: Any) -> Step:
    return Step(name, "log", {"message": "{{ who }}"}, **keys)


def having(state: State, *playbooks: Playbook) -> State:
    return replace(state, playbooks={**state.playbooks, **{p.name: p for p in playbooks}})


def healer(*playbooks: Playbook) -> State:
    return having(member("self_healing"), *playbooks)


def ask(name: str, target: str = "", by: str = "person", **vars: Any) -> RunAsked:
    return RunAsked(f"request-{name}", name, target, 1, by, vars)


def ended(actions: list[Action], ok: bool = True, **more: Any) -> StepDone:
    (performed,) = of(actions, Perform)
    return StepDone(performed.run, performed.step, performed.attempt, ok, "said", **more)


def told(actions: list[Action], kind: str) -> list[dict[str, Any]]:
    return [a.data for a in of(actions, Record) if a.kind == kind]


# --- powers


def lend(state: State, agent: str, incident: str) -> State:
    lease = leases.grant(agent, 1, incident, TIMING, NOW).lease
    return run(state, LeaseGiven(lease))[0]


def of_emergency(agent: str, step: Step, incident: str = "e1") -> tuple[State, engine.Run]:
    """A delegate that holds its powers under `e1`, and a run under `incident` that is at the step."""
    state = lend(member(agent), agent, "e1")
    blank = engine.new_run("r", Playbook("p", steps=(step,)), (), 1, "i", NOW)
    return state, replace(blank, grant=incident)


NEEDING = sorted((name, spec.power) for name, spec in BUILT_IN.items() if spec.power)


@pytest.mark.parametrize(("action", "power"), NEEDING)
@pytest.mark.parametrize("agent", DELEGATES)
def test_a_delegate_performs_an_action_only_with_its_power(agent: str, action: str, power: str) -> None:
    step = Step("s", action)
    state, under_way = of_emergency(agent, step)
    lent = power in POWERS[agent]
    assert (powers.lacking(state, under_way, step, NOW) == "") is lent
    assert powers.lacking(member(agent), under_way, step, NOW) == power, "without a grant"
    assert powers.lacking(state, replace(under_way, grant="e2"), step, NOW) == power, "another emergency's"
    assert powers.lacking(state, replace(under_way, grant=""), step, NOW) == power, "a run of no emergency"
    assert powers.lacking(state, under_way, step, NOW + 10 * leases.ttl(TIMING)) == power, "expired"
    revoked, _ = run(state, LeaseTaken("e1"))
    assert powers.lacking(revoked, under_way, step, NOW) == power, "taken back"


@pytest.mark.parametrize(("action", "power"), NEEDING)
def test_a_healer_performs_by_its_duty_what_no_step_demands_a_power_for(action: str, power: str) -> None:
    step = Step("s", action)
    blank = engine.new_run("r", Playbook("p", steps=(step,)), (), 1, "i", NOW)
    assert powers.lacking(member("self_healing"), blank, step, NOW) == ""
    assert powers.lacking(member("self_healing"), blank, replace(step, power=power), NOW) == power


def test_a_step_whose_power_is_not_held_is_refused_and_on_record() -> None:
    book = Playbook("p", vars={"who": "x"}, steps=(say("a", power="deploy_fix"),))
    _, actions = run(healer(book), ask("p"))
    assert not of(actions, Perform)
    assert told(actions, "power.refused") == [
        {"agent": "self_healing", "power": "deploy_fix", "what": "log of p", "run": "request-p"}
    ]
    assert told(actions, "playbook.finished")[0]["ok"] is False


# --- one target, one playbook


def test_a_run_begins_once_it_has_the_locks_of_all_that_it_works_on() -> None:
    steps = (Step("a", "restart_kernel", {"kernel": "{{ k }}"}), Step("b", "restart_kernel", {"kernel": "db"}))
    state, actions = run(healer(Playbook("p", vars={"k": "web"}, steps=steps)), ask("p", "lb", k="api"))
    assert only(actions, TakeTargets).targets == ("lb", "api", "db")
    assert not of(actions, Perform)
    state, actions = run(state, TargetsTaken("request-p", held_by="pid 7"))
    assert not of(actions, Perform)
    state, actions = run(state, Ready(), now=NOW + 0.2)
    assert only(actions, TakeTargets).targets == ("lb", "api", "db"), "asked for again"
    state, actions = run(state, TargetsTaken("request-p"), now=NOW + 0.2)
    assert only(actions, Perform).args == {"kernel": "api"}


def test_a_run_waits_for_a_target_for_as_long_as_its_slo() -> None:
    book = Playbook("p", slo_s=5.0, vars={"who": "x"}, steps=(say("a"),))
    state, _ = run(healer(book), ask("p", "web"), TargetsTaken("request-p", held_by="pid 7"))
    state, actions = run(state, Ready(), now=NOW + 5.1)
    assert "another playbook was at work on web" in told(actions, "playbook.finished")[0]["text"]
    assert only(actions, EndRun).ok is False
    assert not state.runs


def test_what_only_an_earlier_step_names_is_locked_before_the_step_that_needs_it() -> None:
    steps = (
        Step("a", "log", {"message": "x"}),
        Step("b", "restart_kernel", {"kernel": "{{ steps.a.output.kernel }}"}),
    )
    state, actions = run(healer(Playbook("p", steps=steps)), ask("p"))
    state, actions = run(state, ended(actions, output={"kernel": "web"}))
    assert only(actions, TakeTargets).targets == ("web",)
    assert not of(actions, Perform)
    _, actions = run(state, TargetsTaken("request-p"))
    assert only(actions, Perform).args == {"kernel": "web"}


def test_the_recovery_of_a_member_waits_for_no_playbook() -> None:
    book = Playbook("p", vars={"who": "x"}, steps=(say("a"), say("b")))
    state, _ = run(healer(book), ask("p", "coding_agent"))
    state, actions = run(state, TargetsTaken("request-p"))
    done = ended(actions)
    dead = state.peers["coding_agent"]
    state, actions = run(state, Died("coding_agent", dead.pid))
    assert "playbook.started" in records(actions), "the recovery begins although a playbook works on the member"
    state, actions = run(state, done)
    assert not of(actions, Perform), "the playbook waits with its next step until the member is back"


# --- triggers


def crash(number: int, target: str = "web", **more: Any) -> Happened:
    key = f"{target}-run{number}"
    return Happened("kernel.crashed", target, key, key, {"evidence": "exit 1"}, **more)


def reacting(**limits: Any) -> Playbook:
    return Playbook("react", on=(Trigger("kernel.crashed", **limits),), vars={"who": "{{ x }}"}, steps=(say("a"),))


def test_an_occurrence_starts_a_playbook_once_and_for_those_it_is_for() -> None:
    _, actions = run(healer(reacting(only=("w*",))), crash(1), crash(1), crash(1, "db"))
    assert [a.run for a in of(actions, TakeTargets)] == ["react.kernel.crashed.web-run1"]
    assert only(actions, SaveRun).note.event["evidence"] == "exit 1"


def test_a_trigger_starts_a_playbook_at_most_so_often_for_one_target() -> None:
    state, actions = healer(reacting(at_most=2, within_s=60.0)), []
    for number in range(5):
        state, more = run(state, crash(number), now=NOW + number)
        actions += more
    assert len(told(actions, "playbook.started")) == 2
    assert len(told(actions, "playbook.limited")) == 1, "on record once"
    state, actions = run(state, crash(9), crash(1, "db"), now=NOW + 61.0)
    assert len(told(actions, "playbook.started")) == 2, "later, and for another target"


def test_the_limit_outlives_the_healer() -> None:
    before = (("react", "web", "react.kernel.crashed.web-run1", NOW - 5), ("react", "web", "r2", NOW - 4))
    _, actions = run(healer(reacting(at_most=2)), Fired(before), crash(1), crash(3))
    assert not told(actions, "playbook.started")
    assert len(told(actions, "playbook.limited")) == 1


def test_a_delegate_takes_a_trigger_only_with_the_power_to_run_playbooks() -> None:
    state, actions = run(having(member("trigger"), reacting()), crash(1, grant="e1"))
    assert told(actions, "power.refused")[0]["power"] == "run_playbook"
    assert not told(actions, "playbook.started")
    state = lend(having(member("trigger"), reacting()), "trigger", "e1")
    _, actions = run(state, crash(1, grant="e1"))
    assert len(told(actions, "playbook.started")) == 1


@pytest.mark.parametrize(("me", "target", "fires"), [
    ("self_healing", "parliament", True), ("coding_agent", "parliament", False), ("coding_agent", "self_healing", True),
    ("watchdog", "parliament", False),
])  # fmt: skip
def test_one_healer_tells_of_a_dead_member(me: str, target: str, fires: bool) -> None:
    book = Playbook("react", on=(Trigger("member.down"),), vars={"who": "x"}, steps=(say("a"),))
    state = having(member(me), book)
    _, actions = run(state, Died(target, state.peers[target].pid))
    started = [data for data in told(actions, "playbook.started") if data["playbook"] == "react"]
    assert bool(started) is fires


# --- variables and outcomes


def test_a_run_knows_what_it_was_given_and_what_its_steps_gave() -> None:
    steps = (say("a"), say("b", when="steps.a.output.n > 1"), say("c", when="not steps.b.ok"))
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=steps)), ask("p", who="you"))
    assert only(actions, Perform).args == {"message": "you"}
    assert only(actions, Perform).context.vars["who"] == "you"
    state, actions = run(state, ended(actions, output={"n": 1}))
    assert only(actions, Perform).step == 2, "b is passed over, and c can ask for it"
    _, actions = run(state, ended(actions))
    assert [s for _, s, _ in only(actions, EndRun).steps] == ["ok", "skipped", "ok"]


def test_an_action_that_has_nothing_to_do_is_passed_over() -> None:
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=(say("a"),))), ask("p"))
    _, actions = run(state, replace(ended(actions), applies=False))
    assert [s for _, s, _ in only(actions, EndRun).steps] == ["skipped"]
    assert told(actions, "playbook.finished")[0]["did"] is False


def test_what_is_kept_of_outcomes_is_bounded() -> None:
    state = healer(Playbook("p", vars={"who": "x"}, steps=tuple(say(f"s{n}") for n in range(50))))
    state, actions = run(state, ask("p"))
    for _ in range(50):
        state, actions = run(state, ended(actions, output={"stdout": "x" * 60_000, "more": ["y" * 60_000]}))
        notes = [a.note for a in of(actions, SaveRun)]
        assert all(len(str(note.vars)) < 60_000 for note in notes)
    assert told(actions, "playbook.finished")[0]["ok"] is True


# --- going on where another was


def successor(state: State, actions: list[Action], fresh: bool = False) -> tuple[State, list[Action]]:
    """A newborn that is told what was stored last."""
    note = of(actions, SaveRun)[-1].note
    born = having(newborn("self_healing", fresh=fresh), *state.playbooks.values())
    return run(born, Resumed((note,)), Ready())


def test_a_successor_has_the_variables_the_outcomes_and_the_attempt() -> None:
    steps = (say("a"), say("b", retries=3), say("c", when="steps.a.output.n == 1"))
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=steps)), ask("p", who="you"))
    state, actions = run(state, ended(actions, output={"n": 1}))
    state, actions = run(state, ended(actions, ok=False))
    assert only(actions, Perform).attempt == 2
    state, actions = successor(state, actions)
    again = only(actions, Perform)
    assert (again.step, again.attempt, again.args) == (1, 2, {"message": "you"}), "the very attempt that was under way"
    state, actions = run(state, ended(actions))
    state, actions = run(state, ended(actions))
    assert only(actions, EndRun).ok


def test_a_run_is_stored_before_its_first_step_begins() -> None:
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=(say("a"),))), ask("p"))
    kinds = [type(a) for a in actions]
    assert kinds.index(SaveRun) < kinds.index(Perform)
    first = next(a.note for a in of(actions, SaveRun))
    born = having(newborn("self_healing"), *state.playbooks.values())
    _, actions = run(born, Resumed((first,)), Ready())
    assert only(actions, Perform).step == 0


def test_a_start_from_nothing_ends_what_was_under_way() -> None:
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=(say("a"),))), ask("p"))
    state, actions = successor(state, actions, fresh=True)
    assert not of(actions, Perform)
    assert told(actions, "playbook.finished")[0]["text"] == "graced was stopped meanwhile"
    assert only(actions, EndRun).ok is False


# --- a person is asked


def approving(**keys: Any) -> Playbook:
    return Playbook("p", slo_s=5.0, vars={"who": "x"}, steps=(say("a", approve=Approve(60.0, **keys)), say("b")))


def asked_for(actions: list[Action]) -> str:
    return str(told(actions, "approval.requested")[0]["id"])


@pytest.mark.parametrize("approve", [True, False])
def test_a_step_waits_for_a_persons_answer(approve: bool) -> None:
    state, actions = run(healer(approving()), ask("p"))
    assert not of(actions, Perform)
    id = asked_for(actions)
    state, actions = run(state, Ready(), now=NOW + 30)
    assert not of(actions, Perform)
    assert not told(actions, "escalated"), "a run that waits for a person is not late"
    state, actions = run(state, Decided(id, approve, "me"), now=NOW + 31)
    assert told(actions, "approval.decided")[0]["by"] == "me"
    assert bool(of(actions, Perform)) is approve
    assert bool(told(actions, "playbook.finished")) is not approve
    _, actions = run(state, Decided(id, not approve, "late"), now=NOW + 32)
    assert not told(actions, "approval.decided"), "the first answer counts"


@pytest.mark.parametrize("otherwise", ["approve", "deny"])
def test_without_an_answer_the_default_is_done(otherwise: str) -> None:
    state, actions = run(healer(approving(otherwise=otherwise)), ask("p"))
    _, actions = run(state, Ready(), now=NOW + 61)
    assert told(actions, "approval.decided")[0]["by"] == "no answer"
    assert bool(of(actions, Perform)) is (otherwise == "approve")


def test_the_question_outlives_the_executor_and_is_asked_once() -> None:
    state, actions = run(healer(approving()), ask("p"))
    id = asked_for(actions)
    state, actions = successor(state, actions)
    assert not told(actions, "approval.requested")
    assert not of(actions, Perform)
    _, actions = run(state, Decided(id, True, "me"))
    assert only(actions, Perform).step == 0


# --- what comes after a failure, and after too long


def test_a_failed_step_has_another_make_up_for_it() -> None:
    steps = (say("drain"), say("deploy", on_failure="undrain"), say("never"), say("undrain"))
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=steps)), ask("p"))
    state, actions = run(state, ended(actions))
    state, actions = run(state, ended(actions, ok=False))
    assert only(actions, Perform).step == 3
    _, actions = run(state, ended(actions))
    states = {name: state for name, state, _ in only(actions, EndRun).steps}
    assert states == {"drain": "ok", "deploy": "failed", "never": "pending", "undrain": "ok"}
    assert told(actions, "playbook.finished")[0]["ok"] is False


def test_what_makes_up_for_a_failure_is_done_in_no_other_case() -> None:
    steps = (say("deploy", on_failure="undrain"), say("undrain"), say("last"))
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=steps)), ask("p"))
    state, actions = run(state, ended(actions))
    assert only(actions, Perform).step == 2
    _, actions = run(state, ended(actions))
    assert only(actions, EndRun).ok


def test_a_run_past_its_slo_calls_a_person_once() -> None:
    state, _ = run(healer(Playbook("p", slo_s=5.0, vars={"who": "x"}, steps=(say("a", timeout_s=60),))), ask("p"))
    assert state.due <= NOW + 5.0
    state, actions = run(state, Ready(), now=NOW + 5.1)
    assert "within its SLO of 5 s" in told(actions, "escalated")[0]["text"]
    _, actions = run(state, Ready(), now=NOW + 6.0)
    assert not told(actions, "escalated")


def test_no_step_begins_while_graced_is_being_stopped() -> None:
    state, actions = run(healer(Playbook("p", vars={"who": "x"}, steps=(say("a"), say("b")))), ask("p"))
    state, actions = run(state, Stopping(True), ended(actions))
    assert not of(actions, Perform)
    _, actions = run(state, Stopping(False))
    assert only(actions, Perform).step == 1, "the stop died midway"


def test_a_failed_run_of_a_kernel_is_an_occurrence_and_a_stop_is_none() -> None:
    kernel = new_kernel(Kernel("web", ("x",)), POLICY, wanted=True)
    kernel, _ = table.step(kernel, RunBorn(Run("web", 3, 7, 70, "b", NOW - 60)), NOW - 60)
    for stopped, found in ((kernel, 1), (table.step(kernel, PersonStops("web"), NOW)[0], 0)):
        _, actions = table.step(stopped, RunEnded(stopped.run, Exit(code=2)), NOW)
        told_of = [happened for action in actions if (happened := triggers.seen(action)) is not None]
        crashes = [happened for happened in told_of if happened.trigger == "kernel.crashed"]
        assert len(crashes) == found
        assert all((h.target, h.key, h.facts["evidence"]) == ("web", "web-run3", "exit code 2") for h in crashes)
