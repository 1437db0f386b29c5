"""The playbook engine: which step begins now, what a step's end means, when a run is over.

Pure and the same for all tiers and for users' playbooks. A step's attempts are counted in all
(`retries: 3` is three attempts). Steps marked `parallel` begin together with the step before them.
Ideas: Pebble's persisted tasks with progress (canonical/pebble, internals/overlord/state/task.go).
"""

from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.core.vocabulary import Approval, RunNote, StepNote
from graced.spec.playbook import Playbook

StepState = Literal["pending", "running", "ok", "failed", "skipped"]
ENDED: Final = frozenset({"ok", "failed", "skipped"})

ENDS: Final = frozenset({"stop", "continue"})  # of `on_failure`, what is no step
STEP_TIMEOUT_S: Final = 30.0  # of an attempt whose step does not say
OUTPUT_KEPT_CHARS: Final = 2_000  # of a text that an action gave, the end
TEXT_KEPT_CHARS: Final = 200  # of what a step tells, once it is stored
OUTPUTS_KEPT_CHARS: Final = 20_000  # of all of them in one run
SLOW: Final = "past its SLO"  # mark: a person was called
TAKEN_OVER: Final = "taken over"  # mark: an earlier executor died, and may have done more than it stored


class Progress(Struct, frozen=True):
    """Where one step of a run is. `at`: when it may begin, or began; `deadline` of the running attempt.

    `interrupted`: the executor died during its next attempt, which a successor has yet to take up.
    """

    state: StepState = "pending"
    attempt: int = 0
    at: float = 0.0
    deadline: float = 0.0
    text: str = ""
    interrupted: bool = False


class Run(Struct, frozen=True):
    """One execution of a playbook by this process.

    `dead`: target -> the incarnation that is down, of a run that brings members back; `marks`: facts that a takeover
    must not repeat. `locked`: no other playbook works on its targets; else that is asked for since `lock_since`, and
    again at `lock_at`.
    `grant`: the emergency whose powers it may use. `event`: what triggered it. `vars`: as whoever started it set them,
    and under `steps` what came of each step.
    """

    id: str
    playbook: Playbook
    targets: tuple[str, ...]
    tier: int
    incident: str
    started: float
    steps: tuple[Progress, ...]
    dead: dict[str, int] = {}
    request: str = ""
    by: str = ""
    vars: dict[str, Any] = {}
    marks: tuple[str, ...] = ()
    ok: bool | None = None
    grant: str = ""
    event: dict[str, Any] = {}
    locked: bool = True
    lock_at: float = 0.0
    lock_since: float = 0.0
    approvals: tuple[Approval, ...] = ()

    @property
    def target(self) -> str:
        return self.targets[0] if self.targets else ""


def new_run(
    id: str, playbook: Playbook, targets: tuple[str, ...], tier: int, incident: str, now: float,
    *, dead: dict[str, int] | None = None, request: str = "", by: str = "",
) -> Run:  # fmt: skip
    return Run(id, playbook, targets, tier, incident, now, _blank(playbook), dead or {}, request, by)


def _blank(playbook: Playbook, at: float = 0.0) -> tuple[Progress, ...]:
    """Before the first step. What makes up for a failure is passed over until there is one."""
    amends = {step.on_failure for step in playbook.steps} - ENDS
    return tuple(
        Progress("skipped", text="nothing has failed that it makes up for") if step.name in amends else Progress(at=at)
        for step in playbook.steps
    )


def resume(run: Run, note: RunNote) -> Run:
    """Go on where a dead executor was: steps and marks that it had done are not done again."""
    done = frozenset(note.done)
    names = {step.name for step in run.playbook.steps}
    noted = {step.name: step for step in note.steps}
    steps = tuple(
        _resumed(noted[step.name]) if step.name in noted
        else Progress("ok", text="done before the takeover") if step.name in done
        else blank
        for step, blank in zip(run.playbook.steps, _blank(run.playbook), strict=True)
    )  # fmt: skip
    marks = tuple(d for d in note.done if d not in names)
    return mark(replace(run, started=note.started, steps=steps, marks=marks), TAKEN_OVER)


def _resumed(note: StepNote) -> Progress:
    """An attempt that was under way begins again under its own number: whoever performs it finds what became of it."""
    if note.state == "running":
        return Progress("pending", note.attempt - 1, 0.0, 0.0, note.text, interrupted=True)
    state: StepState = note.state if note.state in ENDED else "pending"  # type: ignore[assignment]
    return Progress(state, note.attempt, note.at, note.deadline, note.text)


def saved(run: Run) -> RunNote:
    """The run as the store keeps it. Steps of a recovery are idempotent: it needs no more than its heartbeat tells."""
    note = note_of(run)
    if run.dead:
        return note
    steps = tuple(_noted(s.name, p) for s, p in zip(run.playbook.steps, run.steps, strict=True))
    return replace(
        note, request=run.request, by=run.by, grant=run.grant, event=run.event, vars=run.vars, steps=steps,
        approvals=run.approvals,
    )  # fmt: skip


def _noted(name: str, progress: Progress) -> StepNote:
    state, attempt = progress.state, progress.attempt
    if progress.interrupted and state == "pending":
        state, attempt = "running", attempt + 1  # should this executor die as well
    return StepNote(name, state, attempt, progress.at, progress.deadline, progress.text[:TEXT_KEPT_CHARS])


def keep_outcome(run: Run, step: str, outcome: dict[str, Any]) -> Run:
    """Put down what came of a step, for the steps after it: of long texts the end, of many outcomes the newest."""
    short = {**outcome, "text": outcome["text"][:TEXT_KEPT_CHARS], "output": _trimmed(outcome["output"])}
    kept = {**run.vars.get("steps", {}), step: short}
    total = 0
    for name in reversed(kept):
        total += sum(map(_size, kept[name]["output"].values()))
        if total > OUTPUTS_KEPT_CHARS:
            kept[name] = {**kept[name], "output": {}}
    return replace(run, vars={**run.vars, "steps": kept})


def _trimmed(output: dict[str, Any]) -> dict[str, Any]:
    short = {k: v[-OUTPUT_KEPT_CHARS:] if isinstance(v, str) else v for k, v in output.items()}
    return {k: v for k, v in short.items() if _size(v) <= OUTPUT_KEPT_CHARS}


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(str(value))


def note_of(run: Run) -> RunNote:
    """The run as a heartbeat carries it."""
    done = tuple(s.name for s, p in zip(run.playbook.steps, run.steps, strict=True) if p.state in ENDED)
    return RunNote(
        run.id,
        run.playbook.name,
        run.targets,
        run.tier,
        current(run),
        run.incident,
        run.started,
        run.dead,
        done + run.marks,
    )


def current(run: Run) -> int:
    """Index of the first step that has not ended; the number of steps when all have."""
    return next((i for i, p in enumerate(run.steps) if p.state not in ENDED), len(run.steps))


def _group_end(run: Run, start: int) -> int:
    end = start + 1
    while end < len(run.steps) and run.playbook.steps[end].parallel:
        end += 1
    return end


def due(run: Run, now: float) -> tuple[int, ...]:
    """Indices of the steps that begin an attempt now.

    Once a step has failed that ends the run, only an attempt that a dead executor had begun: what came of it is told as
    if the executor lived. Then the steps that make up for the failure.
    """
    if run.ok is not None or not run.locked:
        return ()
    if _ruined(run):
        left = interrupted(run) or (_amends(run) if not running(run) else ())
        return tuple(i for i in left if run.steps[i].state == "pending" and now >= run.steps[i].at)
    start = current(run)
    while start and start < len(run.steps) and run.playbook.steps[start].parallel:
        start -= 1
    return tuple(
        i for i in range(start, _group_end(run, start) if start < len(run.steps) else start)
        if run.steps[i].state == "pending" and now >= run.steps[i].at
    )  # fmt: skip


def running(run: Run) -> tuple[int, ...]:
    return tuple(i for i, p in enumerate(run.steps) if p.state == "running")


def interrupted(run: Run) -> tuple[int, ...]:
    """Attempts that a dead executor had begun and nobody has taken up."""
    return tuple(i for i, p in enumerate(run.steps) if p.interrupted and p.state == "pending")


def _put(run: Run, index: int, progress: Progress) -> Run:
    return replace(run, steps=(*run.steps[:index], progress, *run.steps[index + 1 :]))


def mark(run: Run, fact: str) -> Run:
    return run if fact in run.marks else replace(run, marks=(*run.marks, fact))


def attempt(run: Run, index: int, now: float) -> Run:
    """Begin one attempt of a step."""
    old = run.steps[index]
    limit = run.playbook.steps[index].timeout_s or STEP_TIMEOUT_S
    return _put(run, index, Progress("running", old.attempt + 1, now, now + limit))


def skip(run: Run, index: int, text: str) -> Run:
    return _put(run, index, replace(run.steps[index], state="skipped", text=text))


def settle(run: Run, index: int, ok: bool, text: str, now: float) -> Run:
    """An attempt has ended: the step is done, tried again after its delay, or has failed."""
    step, old = run.playbook.steps[index], run.steps[index]
    if ok:
        return _put(run, index, replace(old, state="ok", text=text))
    if old.attempt < step.retries:
        return _put(run, index, replace(old, state="pending", at=now + step.delay_s, text=text))
    return fail(run, index, text)


def fail(run: Run, index: int, text: str) -> Run:
    """The step has failed, whatever attempts are left; the step that makes up for it is due."""
    step = run.playbook.steps[index]
    run = _put(run, index, replace(run.steps[index], state="failed", text=text))
    for other, made_up in enumerate(run.playbook.steps):
        if made_up.name == step.on_failure not in ENDS and run.steps[other].state == "skipped":
            run = _put(run, other, Progress())
    return run


def again(run: Run, at: float, forget: str) -> Run:
    """A run that failed is tried again not before `at`, from its first step: steps are idempotent, marks stay."""
    marks = tuple(m for m in run.marks if m != forget)
    return replace(run, steps=_blank(run.playbook, at), marks=marks, ok=None)


def _ruined(run: Run) -> bool:
    """Has a step failed after which no other of the ordinary ones begins?"""
    return any(
        p.state == "failed" and s.on_failure != "continue" for s, p in zip(run.playbook.steps, run.steps, strict=True)
    )


def _amends(run: Run) -> tuple[int, ...]:
    """The steps that make up for what has failed."""
    wanted = {s.on_failure for s, p in zip(run.playbook.steps, run.steps, strict=True) if p.state == "failed"} - ENDS
    return tuple(i for i, step in enumerate(run.playbook.steps) if step.name in wanted)


def conclude(run: Run) -> Run:
    """Set `ok` once the outcome is known: a failed step that stops the run, or the end of all steps."""
    if run.ok is not None:
        return run
    under_way = running(run) or interrupted(run)
    if _ruined(run) and not under_way and not any(run.steps[i].state == "pending" for i in _amends(run)):
        return replace(run, ok=False)
    if all(p.state in ENDED for p in run.steps):
        return replace(run, ok=all(p.state != "failed" for p in run.steps))
    return run


def wake_at(run: Run) -> float:
    """When time alone can change the run; infinity if only events can."""
    if not run.locked:
        return run.lock_at
    asked = any(not approval.decided for approval in run.approvals)
    slo = [] if run.dead or asked or SLOW in run.marks else [run.started + run.playbook.slo_s]
    times = (
        slo
        + [p.at for p in run.steps if p.state == "pending" and p.at]
        + [p.deadline for p in run.steps if p.state == "running"]
    )
    return min(times, default=float("inf"))


def told(run: Run) -> tuple[tuple[str, str, str], ...]:
    """(name, state, text) of each step, for whoever asked for the run; `waiting`: for a person's answer."""
    asked = {approval.step for approval in run.approvals if not approval.decided}
    return tuple(
        (s.name, "waiting" if s.name in asked and p.state == "pending" else p.state, p.text)
        for s, p in zip(run.playbook.steps, run.steps, strict=True)
    )


def wait(run: Run, index: int, until: float, text: str) -> Run:
    """A step that is due does not begin before that time."""
    return _put(run, index, replace(run.steps[index], at=until, text=text))


def did(run: Run) -> bool:
    """Has any step done, or tried to do, anything? A run whose steps were all passed over had nothing to do."""
    return any(p.state in ("ok", "failed") for p in run.steps)


def failure(run: Run) -> str:
    """The text of the first failed step, for people."""
    for step, progress in zip(run.playbook.steps, run.steps, strict=True):
        if progress.state == "failed":
            return f"{step.name}: {progress.text}"
    return ""
