"""What goes in and out of the member core: heartbeats, events and actions.

Events are facts and messages that the shell reports; actions are what it is to do. Times are seconds
of CLOCK_MONOTONIC, which all processes of one boot share. `pid` 0 stands for "not known".
"""

from typing import Any, Literal

from msgspec import Struct


class Timing(Struct, frozen=True):
    """The four times of `timing:` in graced.yaml, in seconds."""

    interval: float = 1.0
    timeout: float = 30.0
    check: float = 10.0
    confirm: float = 60.0


class StepNote(Struct, frozen=True, array_like=True):
    """Where one step of a run is, as `engine.Progress` has it."""

    name: str
    state: str
    attempt: int
    at: float
    deadline: float
    text: str


class Approval(Struct, frozen=True, array_like=True):
    """A question to a person, before a step. `until`: CLOCK_MONOTONIC. `decided`: approve | deny; empty while open."""

    id: str
    step: str
    ask: str
    asked: float
    until: float
    otherwise: str
    decided: str = ""
    by: str = ""


class RunNote(Struct, frozen=True, array_like=True):
    """A playbook run as its executor's heartbeat tells it; enough for a survivor to go on with a recovery.

    What is stored of a user's playbook has the last fields too: it goes on with its own variables and outcomes.
    """

    id: str
    playbook: str
    targets: tuple[str, ...]
    tier: int
    step: int
    incident: str
    started: float
    dead: dict[str, int] = {}  # target -> the incarnation that is down
    done: tuple[str, ...] = ()  # names of ended steps, and marks
    request: str = ""
    by: str = ""
    grant: str = ""
    event: dict[str, Any] = {}
    vars: dict[str, Any] = {}
    steps: tuple[StepNote, ...] = ()
    approvals: tuple[Approval, ...] = ()


class Beat(Struct, frozen=True, array_like=True):
    """One heartbeat. `hears` maps each member that the sender holds for alive to its incarnation."""

    member: str
    pid: int
    start_ticks: int
    incarnation: int
    seq: int
    phase: str  # starting | healthy
    lag: float
    born: float
    hears: dict[str, int]
    runs: tuple[RunNote, ...] = ()
    leases: tuple[str, ...] = ()
    detail: dict[str, Any] = {}


class Lease(Struct, frozen=True):
    """Powers lent to one incarnation of a delegate for `ttl` seconds; `incident` names the emergency."""

    id: str
    incident: str
    agent: str
    incarnation: int
    powers: tuple[str, ...]
    ttl: float


# --- events -----------------------------------------------------------------------------------------


class Event(Struct, frozen=True):
    pass


class Tick(Event, frozen=True):
    """The loop's timer fired. The core compares it with when it was due: its own lateness."""


class Heard(Event, frozen=True):
    """A heartbeat came in."""

    beat: Beat


class Found(Event, frozen=True):
    """What a role's lock file and /proc say, read at birth or on demand: a fact, whoever it is about."""

    member: str
    pid: int
    start_ticks: int
    incarnation: int
    status: str  # gone | zombie | stopped | running ... (graced.posix.proc.Status)


class Died(Event, frozen=True):
    """A pidfd became readable."""

    member: str
    pid: int


class Seen(Event, frozen=True):
    """The answer to Probe."""

    member: str
    pid: int
    status: str


class LockTaken(Event, frozen=True):
    """The restart lock of `target` is held by this process; the rest is read under it."""

    target: str
    pid: int
    start_ticks: int
    incarnation: int
    status: str
    stopping: bool = False


class LockBusy(Event, frozen=True):
    """The restart lock of `target` is another's, or cannot be taken, and then `reason` says why."""

    target: str
    reason: str = ""


class TreeDead(Event, frozen=True):
    """The process `pid` and all below it are known dead."""

    target: str
    pid: int


class Born(Event, frozen=True):
    """The spawner gave birth (or found the newborn of an earlier request).

    `start_ticks` 0: not known; then its end or stop before its first heartbeat is seen by its deadline only.
    """

    target: str
    pid: int
    start_ticks: int = 0


class Unborn(Event, frozen=True):
    """No birth. `retry_at` 0: the request was lost or could not be sent; else not before that time."""

    target: str
    reason: str
    retry_at: float = 0.0


class VoteAsked(Event, frozen=True):
    vote: str
    asker: str
    target: str
    incarnation: int


class VoteCast(Event, frozen=True):
    vote: str
    voter: str
    down: bool


class LeaseGiven(Event, frozen=True):
    """A grant with a good signature reached this delegate; `ttl` is what is left of it."""

    lease: Lease


class LeaseTaken(Event, frozen=True):
    """The watchdog revoked what was lent under `incident`."""

    incident: str


class LeaseAcked(Event, frozen=True):
    """A delegate holds (or, `held` false, gave back) what was lent under `incident`."""

    agent: str
    incident: str
    held: bool


class RunAsked(Event, frozen=True):
    """Somebody or a kernel's ladder wants `playbook` run on `target`. The same `request` twice is one run.

    `incident`: whose course the run is a part of, else the run has one of its own name. `event`: what expressions may
    read as `event` beside target, by, tier and incident.
    """

    request: str
    playbook: str
    target: str
    tier: int
    by: str
    vars: dict[str, Any] = {}
    incident: str = ""
    event: dict[str, Any] = {}


class Happened(Event, frozen=True):
    """Something that triggers playbooks. `key` names this very occurrence, so that it starts a playbook once.

    `grant`: the emergency whose powers a delegate uses for it; empty for the healers, who need none.
    """

    trigger: str
    target: str
    key: str
    incident: str = ""
    facts: dict[str, Any] = {}
    grant: str = ""


class Fired(Event, frozen=True):
    """What the audit log says of runs that triggers started lately: (playbook, target, request, at)."""

    runs: tuple[tuple[str, str, str, float], ...]


class Decided(Event, frozen=True):
    """A person's answer to an approval."""

    id: str
    approve: bool
    by: str


class TargetsTaken(Event, frozen=True):
    """The run holds the locks of everything that it works on. `held_by`: it does not, another run has one of them."""

    run: str
    held_by: str = ""


class StepDone(Event, frozen=True):
    """A step that a worker or the duty performed has ended. `applies` false: there was nothing for it to do."""

    run: str
    step: int
    attempt: int
    ok: bool
    text: str
    output: dict[str, Any] = {}
    applies: bool = True


class Resumed(Event, frozen=True):
    """Unfinished runs that the store holds of this role's dead predecessors, told to a newborn."""

    runs: tuple[RunNote, ...]


class Stopping(Event, frozen=True):
    """`graced stop` is at work (`active`), or has died midway: then healing resumes."""

    active: bool


class Ready(Event, frozen=True):
    """The member's own work is set up: it may call itself healthy."""


# --- actions ----------------------------------------------------------------------------------------


class Action(Struct, frozen=True):
    pass


class SendBeat(Action, frozen=True):
    """Publish a heartbeat now instead of at the next multiple of the interval; `urgent`: before anything else."""

    urgent: bool = False


class Watch(Action, frozen=True):
    """Open a pidfd on this process; answer with Died at once if it is gone."""

    member: str
    pid: int
    start_ticks: int


class Look(Action, frozen=True):
    """Read the role's lock file and /proc -> Found."""

    member: str


class Probe(Action, frozen=True):
    """Gather evidence (the state letter in /proc) about this process -> Seen."""

    member: str
    pid: int
    start_ticks: int


class TakeLock(Action, frozen=True):
    """Try run/TARGET.restart.lock without waiting; a holder that is known down is killed -> LockTaken | LockBusy."""

    target: str


class DropLock(Action, frozen=True):
    target: str


class Kill(Action, frozen=True):
    """SIGKILL the process and its tree, wait for the end without blocking -> TreeDead."""

    target: str
    pid: int
    start_ticks: int


class Birth(Action, frozen=True):
    """Have `target` started with an incarnation above `floor` -> Born | Unborn. `force` skips the start intensity."""

    target: str
    request: str
    floor: int
    force: bool


class AskVote(Action, frozen=True):
    vote: str
    voters: tuple[str, ...]
    target: str
    incarnation: int


class AnswerVote(Action, frozen=True):
    vote: str
    asker: str
    target: str
    down: bool


class SendGrant(Action, frozen=True):
    lease: Lease


class SendRevoke(Action, frozen=True):
    agent: str
    incident: str


class TellRun(Action, frozen=True):
    """Have a live healer run a playbook (tier 2)."""

    to: str
    request: str
    playbook: str
    target: str
    tier: int


class Record(Action, frozen=True):
    """Append to the audit log."""

    kind: str
    data: dict[str, Any]


class SaveRun(Action, frozen=True):
    """Store the progress of a run for whoever may have to go on with it."""

    note: RunNote


class EndRun(Action, frozen=True):
    """The run is over: forget its progress, report to whoever asked for it. `steps`: (name, state, text) of each.

    `outcomes`: what came of each step, by name.
    """

    run: str
    ok: bool
    text: str
    steps: tuple[tuple[str, str, str], ...] = ()
    outcomes: dict[str, dict[str, Any]] = {}


class OpenIncident(Action, frozen=True):
    id: str
    subject: str
    kind: Literal["member", "kernel", "code"]
    evidence: str
    tier: int


class NoteStep(Action, frozen=True):
    incident: str
    step: str
    ok: bool
    text: str


class CloseIncident(Action, frozen=True):
    id: str
    state: Literal["recovered", "escalated"]
    duration: float
    tier: int


class Bump(Action, frozen=True):
    """Count one in a counter that lives as long as the home; once for each incident, whoever tells of it."""

    counter: str
    incident: str


class RunContext(Struct, frozen=True):
    """What an action may know of the run that it is a part of. `vars`: those of the playbook, as they are now."""

    playbook: str = ""
    step: str = ""
    target: str = ""
    incident: str = ""
    by: str = ""
    vars: dict[str, Any] = {}


class Perform(Action, frozen=True):
    """Have one attempt of a step performed by a worker or the duty -> StepDone. The same attempt twice is one."""

    run: str
    step: int
    attempt: int
    uses: str
    args: dict[str, Any]
    timeout: float
    context: RunContext = RunContext()


class TakeTargets(Action, frozen=True):
    """Try, without waiting, to lock everything that a run works on, on top of what it holds -> TargetsTaken."""

    run: str
    targets: tuple[str, ...]


class Resign(Action, frozen=True):
    """End this process: it cannot be trusted (deaf, or its role is held by another)."""

    reason: str


MemberAction = (
    SendBeat | Watch | Look | Probe | TakeLock | DropLock | Kill | Birth | AskVote | AnswerVote | SendGrant | SendRevoke
    | TellRun | TakeTargets | Record | SaveRun | EndRun | OpenIncident | NoteStep | CloseIncident | Bump | Perform
    | Resign
)  # fmt: skip
"""Every action of a member's core; graced.members.effects carries each out."""

Actions = tuple[MemberAction, ...]
