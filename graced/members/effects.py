"""What each action of the core does in the real world. Thin: nothing here decides."""

import os
from collections.abc import Callable
from typing import Any, Final

from graced.bus.protocol import Ask, Reply
from graced.core.outer import HEAD_START_S
from graced.core.vocabulary import (
    Action,
    AnswerVote,
    AskVote,
    Birth,
    Born,
    Bump,
    CloseIncident,
    DropLock,
    EndRun,
    Kill,
    Lease,
    LeaseAcked,
    LockBusy,
    LockTaken,
    Look,
    NoteStep,
    OpenIncident,
    Perform,
    Probe,
    Record,
    SaveRun,
    Seen,
    SendBeat,
    SendGrant,
    SendRevoke,
    TakeLock,
    TellRun,
    TreeDead,
    Unborn,
    VoteAsked,
    VoteCast,
    Watch,
)
from graced.home.launch import launch_spawner
from graced.home.locks import LockRecord, RestartLock, holder, take_now
from graced.home.stopping import announced
from graced.members import leasing, workers
from graced.members.troubles import words
from graced.posix import notify, proc
from graced.posix.clock import monotonic, wall_iso
from graced.spec.roles import DELEGATES
from graced.store import tables

Shell = Any  # graced.members.shell.Shell; named so to keep the imports one way

ANSWER_INTERVALS: Final = 4.0  # how long a birth or a grant may take before it counts as lost
ANSWER_FLOOR_S: Final = 1.0
STOPPED_INTERVALS: Final = 2.0  # a lock's holder that is stopped for that long is killed
STUCK_S: Final = 10.0
HEAD_STEP_S: Final = 0.01

_locks: dict[str, RestartLock] = {}
_stopped_holders: dict[str, tuple[int, float]] = {}
_ballots: dict[str, tuple[bytes, str]] = {}


def forget() -> None:
    """In a forked child: nothing of the parent's is ours."""
    _locks.clear()
    _stopped_holders.clear()
    _ballots.clear()


def _patience(shell: Shell) -> float:
    interval: float = shell.interval
    return max(ANSWER_FLOOR_S, ANSWER_INTERVALS * interval)


def _watch(shell: Shell, a: Watch) -> None:
    shell.watch(a.member, a.pid, a.start_ticks)


def _probe(shell: Shell, a: Probe) -> None:
    shell.take(Seen(a.member, a.pid, proc.status(proc.Identity(a.pid, a.start_ticks, shell.identity.boot_id))))


def _look(shell: Shell, a: Look) -> None:
    shell.take(shell.found(a.member))


# --- restart


def _take_lock(shell: Shell, a: TakeLock) -> None:
    path = shell.home.restart_lock(a.target)
    try:
        lock = take_now(path, LockRecord.of(shell.identity))
    except OSError as error:
        shell.take(LockBusy(a.target, shell.troubles.meet(f"lock of {a.target}", error)))
        return
    shell.troubles.over(f"lock of {a.target}")
    if lock is None:
        _kill_stopped_holder(shell, a.target, path)
        shell.take(LockBusy(a.target))
        return
    _stopped_holders.pop(a.target, None)
    _locks[a.target] = lock
    found = shell.found(a.target)
    stopping = announced(shell.home)
    shell.take(LockTaken(a.target, found.pid, found.start_ticks, found.incarnation, found.status, stopping))


def _kill_stopped_holder(shell: Shell, target: str, path: str) -> None:
    """A stopped process keeps its locks for ever: whoever waits kills it, once it was stopped for two intervals."""
    record = holder(path)
    if record is None or proc.status(record.identity) != "stopped":
        _stopped_holders.pop(target, None)
        return
    pid, since = _stopped_holders.setdefault(target, (record.pid, monotonic()))
    if pid != record.pid:
        _stopped_holders[target] = (record.pid, monotonic())
    elif monotonic() - since >= STOPPED_INTERVALS * shell.interval:
        proc.signal_identity(record.identity, 9)


def _drop_lock(shell: Shell, a: DropLock) -> None:
    lock = _locks.pop(a.target, None)
    if lock is not None:
        lock.close()


def _kill(shell: Shell, a: Kill) -> None:
    """One process, never what is below it: the spawner's children are the kernels, a survivor's may be the spawner.

    A member's own workers die with it (PR_SET_PDEATHSIG).
    """
    fd = proc.open_pidfd(proc.Identity(a.pid, a.start_ticks, shell.identity.boot_id))
    if fd is None:
        shell.take(TreeDead(a.target, a.pid))
        return
    dead = [False]

    def died() -> None:
        dead[0] = True
        shell.drop_reader(fd)
        os.close(fd)
        shell.take(TreeDead(a.target, a.pid))

    def stuck() -> None:
        if not dead[0]:
            text = f"pid {a.pid} did not die within {STUCK_S:g} s of SIGKILL"
            shell.audit.append("escalated", {"incident": "", "subject": a.target, "text": text})

    shell.add_reader(fd, died)
    proc.send(fd, 9)
    shell.after(STUCK_S, stuck)


def _birth(shell: Shell, a: Birth) -> None:
    if a.target == "spawner":
        _cold_start(shell, a)
        return
    if shell.me == "spawner":
        shell.duty.bear(a)
        return

    def answered(reply: Reply | None) -> None:
        if reply is None or not reply.ok:
            shell.take(Unborn(a.target, reply.error if reply else "the spawner does not answer"))
        elif reply.data.get("pid"):
            _born(shell, a.target, int(reply.data["pid"]))
        else:
            shell.take(Unborn(a.target, str(reply.data["reason"]), float(reply.data["retry_at"])))

    args = {"target": a.target, "request": a.request, "floor": a.floor, "force": a.force}
    shell.send("spawner", "birth", args, _patience(shell), answered)


def _born(shell: Shell, target: str, pid: int) -> None:
    shell.bus.follow(target)
    shell.take(Born(target, pid))


def _cold_start(shell: Shell, a: Birth) -> None:
    if notify.outer():
        _head_start(shell, a, monotonic() + HEAD_START_S)
    else:
        _launch_spawner(shell, a, as_child=True)


def _head_start(shell: Shell, a: Birth, until: float) -> None:
    """An outer supervisor restarts its main process by itself; only if it does not, it is done here."""
    found = shell.found("spawner")
    if found.status not in ("gone", "zombie", "stopped") and found.incarnation > a.floor:
        _born(shell, "spawner", found.pid)
    elif announced(shell.home):
        shell.take(Unborn("spawner", "graced is being stopped", monotonic() + shell.interval))
    elif monotonic() < until:
        shell.after(HEAD_STEP_S, lambda: _head_start(shell, a, until))
    else:
        # Its parent must be the outer supervisor, which would not see the end of a grandchild otherwise.
        proc.set_subreaper(False)
        try:
            _launch_spawner(shell, a, as_child=False)
        finally:
            proc.set_subreaper()


def _launch_spawner(shell: Shell, a: Birth, as_child: bool) -> None:
    try:
        pid = launch_spawner(shell.home, fresh=False, as_child=as_child)
    except OSError as error:
        shell.take(Unborn("spawner", f"cannot be started: {words(error)}", monotonic() + shell.interval))
        return
    _born(shell, "spawner", pid or 0)


# --- votes, leases, runs


def _ask_vote(shell: Shell, a: AskVote) -> None:
    def counted(voter: str, reply: Reply | None) -> None:
        if reply is not None and reply.ok:
            shell.take(VoteCast(a.vote, voter, bool(reply.data["down"])))

    args = {"vote": a.vote, "target": a.target, "incarnation": a.incarnation}
    for voter in a.voters:
        shell.send(voter, "vote", args, 2 * shell.interval, lambda reply, voter=voter: counted(voter, reply))


def ballot(shell: Shell, address: bytes, ask: Ask) -> Reply | None:
    """Somebody asks for this member's vote; AnswerVote sends it."""
    vote = str(ask.args["vote"])
    _ballots[vote] = (address, ask.id)
    shell.take(VoteAsked(vote, ask.sender, str(ask.args["target"]), int(ask.args["incarnation"])))
    _ballots.pop(vote, None)
    return None


def _answer_vote(shell: Shell, a: AnswerVote) -> None:
    waiting = _ballots.pop(a.vote, None)
    if waiting is not None:
        shell.bus.reply(waiting[0], Reply(waiting[1], True, {"down": a.down}))


def _send_grant(shell: Shell, a: SendGrant) -> None:
    lease: Lease = a.lease
    signed = leasing.sign(shell.home, lease)
    tables.save_lease(
        shell.store,
        lease.id,
        lease.incident,
        lease.agent,
        " ".join(lease.powers),
        signed["expires"],
        False,
        lease.incarnation,
    )
    _leased(shell, lease.agent, lease.incident, "grant", signed)


def _send_revoke(shell: Shell, a: SendRevoke) -> None:
    tables.revoke_leases(shell.store, a.incident)
    _leased(shell, a.agent, a.incident, "revoke", {"incident": a.incident})


def _leased(shell: Shell, agent: str, incident: str, verb: str, args: dict[str, Any]) -> None:
    assert agent in DELEGATES

    def answered(reply: Reply | None) -> None:
        if reply is not None and reply.ok:
            shell.take(LeaseAcked(agent, incident, bool(reply.data["held"])))

    shell.send(agent, verb, args, _patience(shell), answered)


def _tell_run(shell: Shell, a: TellRun) -> None:
    args = {
        "request": a.request,
        "playbook": a.playbook,
        "target": a.target,
        "tier": a.tier,
        "by": shell.me,
        "vars": {},
    }
    shell.send(a.to, "run", args, _patience(shell))


def _perform(shell: Shell, a: Perform) -> None:
    workers.perform(shell, a)


def _end_run(shell: Shell, a: EndRun) -> None:
    tables.finish_run(shell.store, a.run)
    while len(shell.results) >= 64:
        shell.results.pop(next(iter(shell.results)))
    shell.results[a.run] = a


# --- records


def _record(shell: Shell, a: Record) -> None:
    shell.audit.append(a.kind, a.data)


def _save_run(shell: Shell, a: SaveRun) -> None:
    note = a.note
    blob = leasing.pack(note)
    tables.save_run(
        shell.store, note.id, note.playbook, " ".join(note.targets), shell.me, note.incident, blob, "running"
    )


def _open_incident(shell: Shell, a: OpenIncident) -> None:
    tables.open_incident(shell.store, a.id, wall_iso(), a.subject, a.kind, a.evidence, a.tier)


def _note_step(shell: Shell, a: NoteStep) -> None:
    tables.add_step(shell.store, a.incident, wall_iso(), a.step, a.ok, a.text)


def _close_incident(shell: Shell, a: CloseIncident) -> None:
    tables.close_incident(shell.store, a.id, a.state, a.duration, a.tier)


def _bump(shell: Shell, a: Bump) -> None:
    tables.bump_once(shell.store, a.counter, a.incident)


EFFECTS: Final[dict[type[Action], Callable[[Shell, Any], None]]] = {
    Watch: _watch,
    Probe: _probe,
    Look: _look,
    TakeLock: _take_lock,
    DropLock: _drop_lock,
    Kill: _kill,
    Birth: _birth,
    AskVote: _ask_vote,
    AnswerVote: _answer_vote,
    SendGrant: _send_grant,
    SendRevoke: _send_revoke,
    TellRun: _tell_run,
    Perform: _perform,
    EndRun: _end_run,
    Record: _record,
    SaveRun: _save_run,
    OpenIncident: _open_incident,
    NoteStep: _note_step,
    CloseIncident: _close_incident,
    Bump: _bump,
}


# --- what becomes of an action that could not be done


def again(shell: Shell, a: Action, why: str) -> None:
    """Done once more after an interval: it has no answer that could say that it failed."""
    shell.after(shell.interval, lambda: shell.attempt(a))


def _unlocked(shell: Shell, a: TakeLock, why: str) -> None:
    shell.take(LockBusy(a.target, why))


def _unborn(shell: Shell, a: Birth, why: str) -> None:
    shell.take(Unborn(a.target, why, monotonic() + shell.interval))


def _undone(shell: Shell, a: Perform, why: str) -> None:
    shell.step_done(a.run, a.step, a.attempt, False, why, {})


def _forget(shell: Shell, a: Action, why: str) -> None:
    """It comes again by itself, as long as there is need."""


FAILED: Final[dict[type[Action], Callable[[Shell, Any, str], None]]] = {
    TakeLock: _unlocked,
    Birth: _unborn,
    Perform: _undone,
    Look: _forget,
    Probe: _forget,
    SendBeat: _forget,
    AskVote: _forget,
}
"""What is not in it is done `again`."""
