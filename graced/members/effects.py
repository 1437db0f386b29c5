"""What each action of the member core does to the world outside. Thin: nothing here decides."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, assert_never

from graced.bus.protocol import Asked, Reply
from graced.bus.verbs import Vote
from graced.core import holder
from graced.core.outer import HEAD_START_S
from graced.core.vocabulary import (
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
    MemberAction,
    NoteStep,
    OpenIncident,
    Perform,
    Probe,
    Record,
    Resign,
    SaveRun,
    Seen,
    SendBeat,
    SendGrant,
    SendRevoke,
    TakeLock,
    TakeTargets,
    TellRun,
    TreeDead,
    Unborn,
    VoteAsked,
    VoteCast,
    Watch,
)
from graced.members import leasing, notifying
from graced.members.step_workers import StepOutcome
from graced.members.troubles import words
from graced.posix.proc import Identity
from graced.spec.roles import DELEGATES
from graced.store import tables

if TYPE_CHECKING:
    from graced.members.shell import Shell

ANSWER_INTERVALS: Final = 4.0  # how long a birth or a grant may take before it counts as lost
ANSWER_FLOOR_S: Final = 1.0
VOTE_INTERVALS: Final = 2.0
STUCK_S: Final = 10.0
HEAD_STEP_S: Final = 0.01
SIGKILL: Final = 9


class Effects:
    """One process's; `do` carries one action out, and has the events that answer it taken in by the shell."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._stopped_holders: dict[str, holder.Stopped] = {}
        self._ballots: dict[str, Asked] = {}
        self._patience = max(ANSWER_FLOOR_S, ANSWER_INTERVALS * shell.interval)

    def do(self, action: MemberAction) -> None:
        shell = self._shell
        match action:
            case SendBeat():
                shell.want_beat(urgent=action.urgent)
            case Record():
                shell.audit.append(action.kind, action.data)
                if action.kind == "escalated":
                    notifying.tell(shell, action.data)
            case Watch():
                shell.watch(action.member, action.pid, action.start_ticks)
            case Probe():
                status = shell.processes.status(self._identity(action.pid, action.start_ticks))
                shell.take(Seen(action.member, action.pid, status))
            case Look():
                shell.take(shell.found(action.member))
            case TakeLock():
                self._take_lock(action.target)
            case DropLock():
                shell.locks.drop(action.target)
            case Kill():
                self._kill(action)
            case Birth():
                self._birth(action)
            case AskVote():
                self._ask_vote(action)
            case AnswerVote():
                asked = self._ballots.pop(action.vote, None)
                if asked is not None:
                    shell.bus.reply(asked.address, Reply(asked.id, True, {"down": action.down}))
            case SendGrant():
                self._send_grant(action.lease)
            case SendRevoke():
                tables.revoke_leases(shell.store, action.incident)
                self._lease(action.agent, action.incident, "revoke", {"incident": action.incident})
            case TellRun():
                args = {
                    "request": action.request, "playbook": action.playbook, "target": action.target,
                    "tier": action.tier, "by": shell.me,
                }  # fmt: skip
                shell.send(action.to, "run", args, self._patience)
            case Perform():
                shell.playbooks.perform(action)
            case TakeTargets():
                shell.playbooks.take_targets(action)
            case SaveRun():
                note = action.note
                blob = leasing.pack(note)
                targets = " ".join(note.targets)
                tables.save_run(shell.store, note.id, note.playbook, targets, shell.me, note.incident, blob, "running")
            case EndRun():
                tables.finish_run(shell.store, action.run)
                shell.playbooks.ended(action)
                shell.duty.run_ended(action)
            case OpenIncident():
                tables.open_incident(
                    shell.store, action.id, shell.wall_iso(), action.subject, action.kind, action.evidence, action.tier
                )
            case NoteStep():
                tables.add_step(shell.store, action.incident, shell.wall_iso(), action.step, action.ok, action.text)
            case CloseIncident():
                tables.close_incident(shell.store, action.id, action.state, action.duration, action.tier)
            case Bump():
                tables.bump_once(shell.store, action.counter, action.incident)
            case Resign():
                shell.resign(action.reason)
            case _:
                assert_never(action)

    def failed(self, action: MemberAction, why: str) -> None:
        """It could not be done, for what passes: the core is told, or it is done again."""
        shell = self._shell
        match action:
            case TakeLock():
                shell.take(LockBusy(action.target, why))
            case Birth():
                shell.take(Unborn(action.target, why, shell.now() + shell.interval))
            case Perform():
                shell.step_done(action, StepOutcome(False, why))
            case Look() | Probe() | SendBeat() | AskVote():
                pass  # it comes again by itself, as long as there is need
            case _:  # it has no answer that could say that it failed
                shell.after(shell.interval, lambda: shell.attempt(action))

    def _identity(self, pid: int, start_ticks: int) -> Identity:
        return Identity(pid, start_ticks, self._shell.identity.boot_id)

    # --- restart

    def _take_lock(self, target: str) -> None:
        shell = self._shell
        try:
            taken = shell.locks.take(target)
        except OSError as error:  # run/ is gone: it is made again with the next heartbeat
            shell.take(LockBusy(target, shell.troubles.meet(f"lock of {target}", error)))
            return
        shell.troubles.over(f"lock of {target}")
        if not taken:
            self._look_at_holder(target)
            shell.take(LockBusy(target))
            return
        self._stopped_holders.pop(target, None)
        found = shell.found(target)
        shell.take(LockTaken(target, found.pid, found.start_ticks, found.incarnation, found.status, shell.stopping))

    def _look_at_holder(self, target: str) -> None:
        shell = self._shell
        record = shell.locks.holder(target)
        status = shell.processes.status(record.identity) if record is not None else "gone"
        seen, kill = holder.judge(
            self._stopped_holders.pop(target, None), record.pid if record else 0, status, shell.interval, shell.now()
        )
        if seen is not None:
            self._stopped_holders[target] = seen
        if kill and record is not None:
            shell.processes.signal(record.identity, SIGKILL)

    def _kill(self, action: Kill) -> None:
        """One process, never what is below it: the spawner's children are the kernels, a survivor's may be the spawner.

        A member's own workers die with it (PR_SET_PDEATHSIG).
        """
        shell = self._shell
        dead = [False]

        def died() -> None:
            dead[0] = True
            shell.take(TreeDead(action.target, action.pid))

        def stuck() -> None:
            if not dead[0]:
                text = f"pid {action.pid} did not die within {STUCK_S:g} s of SIGKILL"
                shell.audit.append("escalated", {"incident": "", "subject": action.target, "text": text})

        watch = shell.processes.watch(self._identity(action.pid, action.start_ticks), died)
        if watch is None:
            shell.take(TreeDead(action.target, action.pid))
            return
        watch.signal(SIGKILL)
        shell.after(STUCK_S, stuck)

    def _birth(self, action: Birth) -> None:
        shell = self._shell
        if action.target == "spawner":
            self._cold_start(action)
            return
        if shell.me == "spawner":
            shell.duty.bear(action)
            return

        def answered(reply: Reply | None) -> None:
            if reply is None or not reply.ok:
                shell.take(Unborn(action.target, reply.error if reply else "the spawner does not answer"))
            elif reply.data.get("pid"):
                self._born(action.target, int(reply.data["pid"]))
            else:
                shell.take(Unborn(action.target, str(reply.data["reason"]), float(reply.data["retry_at"])))

        args = {"target": action.target, "request": action.request, "floor": action.floor, "force": action.force}
        shell.send("spawner", "birth", args, self._patience, answered)

    def _born(self, target: str, pid: int) -> None:
        """With its start time, so that its end or stop is seen before its first heartbeat."""
        self._shell.bus.follow(target)
        newborn = self._shell.processes.identify(pid)
        self._shell.take(Born(target, pid, newborn.start_ticks if newborn is not None else 0))

    def _cold_start(self, action: Birth) -> None:
        if self._shell.supervisor.there:
            self._head_start(action, self._shell.now() + HEAD_START_S)
        else:
            self._launch_spawner(as_child=True)

    def _head_start(self, action: Birth, until: float) -> None:
        """An outer supervisor restarts its main process by itself; only if it does not, it is done here."""
        shell = self._shell
        found = shell.found("spawner")
        if found.status not in ("gone", "zombie", "stopped") and found.incarnation > action.floor:
            self._born("spawner", found.pid)
        elif shell.stopping:
            shell.take(Unborn("spawner", "graced is being stopped", shell.now() + shell.interval))
        elif shell.now() < until:
            shell.after(HEAD_STEP_S, lambda: self._head_start(action, until))
        else:
            # Its parent must be the outer supervisor, which would not see the end of a grandchild otherwise.
            with shell.supervisor.unseen():
                self._launch_spawner(as_child=False)

    def _launch_spawner(self, *, as_child: bool) -> None:
        shell = self._shell
        try:
            pid = shell.processes.launch_spawner(as_child)
        except OSError as error:
            shell.take(Unborn("spawner", f"cannot be started: {words(error)}", shell.now() + shell.interval))
            return
        self._born("spawner", pid)

    # --- votes, leases, runs

    def _ask_vote(self, action: AskVote) -> None:
        def counted(voter: str) -> Callable[[Reply | None], None]:
            def answered(reply: Reply | None) -> None:
                if reply is not None and reply.ok:
                    self._shell.take(VoteCast(action.vote, voter, bool(reply.data["down"])))

            return answered

        args = {"vote": action.vote, "target": action.target, "incarnation": action.incarnation}
        for voter in action.voters:
            self._shell.send(voter, "vote", args, VOTE_INTERVALS * self._shell.interval, counted(voter))

    def ballot(self, args: Vote, asked: Asked) -> None:
        """Somebody asks for this member's vote; AnswerVote sends it."""
        self._ballots[args.vote] = asked
        self._shell.take(VoteAsked(args.vote, asked.sender, args.target, args.incarnation))
        self._ballots.pop(args.vote, None)

    def _send_grant(self, lease: Lease) -> None:
        shell = self._shell
        signed = leasing.sign(shell, lease)
        powers = " ".join(lease.powers)
        tables.save_lease(
            shell.store, lease.id, lease.incident, lease.agent, powers, signed["expires"], False, lease.incarnation
        )
        self._lease(lease.agent, lease.incident, "grant", signed)

    def _lease(self, agent: str, incident: str, verb: str, args: dict[str, Any]) -> None:
        assert agent in DELEGATES

        def answered(reply: Reply | None) -> None:
            if reply is not None and reply.ok:
                self._shell.take(LeaseAcked(agent, incident, bool(reply.data["held"])))

        self._shell.send(agent, verb, args, self._patience, answered)
