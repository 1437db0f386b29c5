"""What each action of the core does in the simulated world. As in graced.members.effects, nothing here decides."""

from collections.abc import Callable
from typing import Any, Final

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
    Event,
    Kill,
    LeaseGiven,
    LeaseTaken,
    LockBusy,
    LockTaken,
    Look,
    NoteStep,
    OpenIncident,
    Probe,
    Record,
    Resign,
    RunAsked,
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
from graced.sim.member import Member

KILL_S: Final = (0.0005, 0.004)
COLD_S: Final = (0.15, 0.25)  # a spawner from nothing to its role lock
SPAWN_S: Final = (0.001, 0.004)
HOLDER_INTERVALS: Final = 2.0  # a lock's holder that is stopped for that long is killed


def _watch(m: Member, a: Watch) -> None:
    m.watch(a.member, a.pid, a.start_ticks)


def _probe(m: Member, a: Probe) -> None:
    m.follow(Seen(a.member, a.pid, m.world.machine.status(a.pid, a.start_ticks)))


def _take_lock(m: Member, a: TakeLock) -> None:
    locks = m.world.machine.restart_locks
    if a.target in locks:
        _kill_stopped_holder(m, a.target, locks[a.target])
        m.follow(LockBusy(a.target))
        return
    locks[a.target] = m.process.pid
    m.stopped_holders.pop(a.target, None)
    found = m.found(a.target)
    m.follow(LockTaken(a.target, found.pid, found.start_ticks, found.incarnation, found.status, m.world.stopping))


def _kill_stopped_holder(m: Member, target: str, pid: int) -> None:
    holder = m.world.machine.processes.get(pid)
    if holder is None or holder.status != "stopped":  # (None: it is a person's `graced stop`)
        m.stopped_holders.pop(target, None)
        return
    seen, since = m.stopped_holders.setdefault(target, (pid, m.world.clock.now))
    if seen != pid:
        m.stopped_holders[target] = (pid, m.world.clock.now)
    elif m.world.clock.now - since >= HOLDER_INTERVALS * m.core.timing.interval:
        m.world.kill(holder, m, f"holds the restart lock of {target}")


def _drop_lock(m: Member, a: DropLock) -> None:
    if m.world.machine.restart_locks.get(a.target) == m.process.pid:
        del m.world.machine.restart_locks[a.target]


def _kill(m: Member, a: Kill) -> None:
    process = m.world.machine.find(a.pid, a.start_ticks)
    if process is None:
        m.follow(TreeDead(a.target, a.pid))
        return
    m.world.kill(process, m, f"to bring {a.target} back")
    delay = m.world.random.uniform(*KILL_S)
    m.world.clock.after(delay, m.process.deliver, m.take, TreeDead(a.target, a.pid))


def _birth(m: Member, a: Birth) -> None:
    from graced.sim.spawner import Spawner

    if a.target == "spawner":
        newborn = m.world.newborn("spawner", a.floor, fresh=False)
        newborn.boot(m.world.random.uniform(*COLD_S))
        born = Born("spawner", newborn.process.pid, newborn.process.ticks)
        m.world.clock.after(m.world.random.uniform(*SPAWN_S), m.process.deliver, m.take, born)
        return
    if isinstance(m, Spawner):
        m.follow(m.birth(a))
        return

    def question(spawner: Member) -> Event:
        assert isinstance(spawner, Spawner)
        return spawner.birth(a)

    def answer(reply: Event | None) -> None:
        m.take(reply if reply is not None else Unborn(a.target, "the spawner does not answer"))

    m.world.wires.ask(m, "spawner", m.patience, question, answer)


def _ask_vote(m: Member, a: AskVote) -> None:
    for voter in a.voters:
        m.tell(voter, VoteAsked(a.vote, m.role, a.target, a.incarnation), 2 * m.core.timing.interval)


def _answer_vote(m: Member, a: AnswerVote) -> None:
    m.tell(a.asker, VoteCast(a.vote, m.role, a.down), 2 * m.core.timing.interval)


def _tell_run(m: Member, a: TellRun) -> None:
    m.tell(a.to, RunAsked(a.request, a.playbook, a.target, a.tier, m.role), m.patience)


def _resign(m: Member, a: Resign) -> None:
    m.world.resigned(m, a.reason)


EFFECTS: Final[dict[type[Action], Callable[[Member, Any], None]]] = {
    SendBeat: lambda m, a: m.want_beat(urgent=a.urgent),
    Watch: _watch,
    Probe: _probe,
    Look: lambda m, a: m.follow(m.found(a.member)),
    TakeLock: _take_lock,
    DropLock: _drop_lock,
    Kill: _kill,
    Birth: _birth,
    AskVote: _ask_vote,
    AnswerVote: _answer_vote,
    SendGrant: lambda m, a: m.tell_lease(a.lease.agent, LeaseGiven(a.lease)),
    SendRevoke: lambda m, a: m.tell_lease(a.agent, LeaseTaken(a.incident)),
    TellRun: _tell_run,
    Record: lambda m, a: m.keep_record(a),
    SaveRun: lambda m, a: m.keep_write(a),
    EndRun: lambda m, a: m.keep_write(a),
    OpenIncident: lambda m, a: m.keep_write(a),
    NoteStep: lambda m, a: None,
    CloseIncident: lambda m, a: m.keep_write(a),
    Bump: lambda m, a: m.keep_write(a),
    Resign: _resign,
}
