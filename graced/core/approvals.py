"""A person is asked before a step: the question, the answer, and what is done without one.

The question is a part of the run, so it is stored with it and outlives its executor. It is asked once for a step.
"""

import hashlib
from typing import Any, Final

from msgspec.structs import replace

from graced.core import engine
from graced.core.engine import Run
from graced.core.state import State, Stepped, with_run
from graced.core.vocabulary import Approval, Decided, MemberAction, NoteStep, Record, SaveRun
from graced.spec import expression
from graced.spec.playbook import Step

NOBODY: Final = "no answer"


def open_ones(run: Run) -> tuple[Approval, ...]:
    return tuple(approval for approval in run.approvals if not approval.decided)


def gate(state: State, run: Run, index: int, step: Step, known: dict[str, Any], now: float) -> tuple[bool, Stepped]:
    """(may the step begin?, what follows). The step needs an approval, and is due."""
    assert step.approve is not None
    found = next((a for a in run.approvals if a.step == step.name), None)
    if found is None:
        return False, _asked(state, run, index, step, known, now)
    actions: tuple[MemberAction, ...] = ()
    if not found.decided:
        if now < found.until:
            return False, (with_run(state, engine.wait(run, index, found.until, _waits(found))), ())
        run, actions = _decide(run, found, found.otherwise, NOBODY, now)
        found = next(a for a in run.approvals if a.step == step.name)
    if found.decided == "approve":
        return True, (with_run(state, run), actions)
    text = f"denied by {found.by}"
    run = engine.keep_outcome(engine.fail(run, index, text), step.name, {"ok": False, "text": text, "output": {}})
    note = NoteStep(run.incident, step.name, False, text)
    return False, (with_run(state, run), (*actions, note, SaveRun(engine.saved(run))))


def _asked(state: State, run: Run, index: int, step: Step, known: dict[str, Any], now: float) -> Stepped:
    approve = step.approve
    assert approve is not None
    try:
        ask = str(expression.render(approve.ask, known))
    except (ValueError, TypeError):
        ask = approve.ask
    ask = ask or f"{step.name} of {run.playbook.name}: {step.uses}"
    id = "a" + hashlib.blake2b(f"{run.id}\0{step.name}".encode(errors="replace"), digest_size=5).hexdigest()
    approval = Approval(id, step.name, ask, now, now + approve.timeout_s, approve.otherwise)
    run = replace(run, approvals=(*run.approvals, approval))
    run = engine.wait(run, index, approval.until, _waits(approval))
    data = {
        "id": id, "playbook": run.playbook.name, "run": run.id, "step": step.name, "ask": ask,
        "timeout_s": approve.timeout_s, "otherwise": approve.otherwise, "incident": run.incident,
    }  # fmt: skip
    return with_run(state, run), (Record("approval.requested", data), SaveRun(engine.saved(run)))


def _waits(approval: Approval) -> str:
    return f"waits for a person: `graced approve {approval.id}` or `graced deny {approval.id}`"


def _decide(run: Run, approval: Approval, decided: str, by: str, now: float) -> tuple[Run, tuple[MemberAction, ...]]:
    new = replace(approval, decided=decided, by=by)
    run = replace(run, approvals=tuple(new if a.id == approval.id else a for a in run.approvals))
    data = {
        "id": approval.id, "playbook": run.playbook.name, "run": run.id, "step": approval.step, "decided": decided,
        "by": by, "waited_s": now - approval.asked, "incident": run.incident,
    }  # fmt: skip
    return run, (Record("approval.decided", data),)


def decided(state: State, event: Decided, now: float) -> Stepped:
    """An answer: the first one counts."""
    for run in state.runs.values():
        for approval in open_ones(run):
            if approval.id == event.id:
                run, actions = _decide(run, approval, "approve" if event.approve else "deny", event.by, now)
                index = next(i for i, step in enumerate(run.playbook.steps) if step.name == approval.step)
                run = engine.wait(run, index, now, "")
                return with_run(state, run), (*actions, SaveRun(engine.saved(run)))
    return state, ()
