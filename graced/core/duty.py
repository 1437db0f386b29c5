"""Who acts now: from one member's view to the runs that it begins. Succession, tiers 1 to 3, votes."""

from typing import Final

from msgspec.structs import replace

from graced.core import engine, liveness, votes
from graced.core.engine import Run
from graced.core.liveness import Peer
from graced.core.state import (
    Emergency,
    Setback,
    State,
    Stepped,
    down,
    healthy,
    incarnation,
    with_peer,
    with_run,
    without,
)
from graced.core.vocabulary import (
    AskVote,
    Beat,
    EndRun,
    MemberAction,
    OpenIncident,
    Record,
    Resign,
    RunNote,
    SaveRun,
    TellRun,
)
from graced.spec.roles import (
    EMERGENCY_PLAYBOOK,
    EMERGENCY_TRIGGER,
    HEALERS,
    LAST_RESORT,
    MUTUAL_PLAYBOOK,
    MUTUAL_TRIGGER,
    PEER,
    SUCCESSION,
    tier_of,
)

RANK_INTERVALS: Final = 2.0  # between one survivor's turn and the next one's; the grace of tier 2 as well
SETTLE_INTERVALS: Final = 2.0  # a newborn waits that long for the beats of those it has not heard
TELL_INTERVALS: Final = 4.0  # a healer that was told to act and does not is not waited for
REQUESTS_KEPT: Final = 256
RUN_SLO_S: Final = {1: 60.0, 2: 60.0, 3: 120.0}  # by tier; an executor that is over this is not waited for


def rank(state: State, target: str) -> int | None:
    """This member's place in the line for `target`: 0 acts at once; None: not in the line."""
    line = SUCCESSION[target]
    if state.me not in line:
        return None
    ahead = sum(1 for m in line[: line.index(state.me)] if m != target and not down(state, m))
    return None if ahead and state.me in LAST_RESORT else ahead


def settled(state: State, now: float) -> bool:
    """Has a newborn heard everyone who may be at work already, or waited long enough?"""
    if now - state.born >= SETTLE_INTERVALS * state.timing.interval:
        return True
    return all(p.heard or p.down for p in state.peers.values())


def in_hand(state: State, target: str, now: float) -> bool:
    """Is a recovery of `target` under way, here or by another live member that is within its time?"""
    if any(r.ok is None and target in r.dead for r in state.runs.values()):
        return True
    return any(
        target in note.dead and now - note.started < RUN_SLO_S[note.tier]
        for p in state.peers.values() if p.beat is not None and not p.down
        for note in p.beat.runs
    )  # fmt: skip


def heard_elsewhere(state: State, member: str) -> bool:
    """Does anyone alive say that it hears `member`, in an incarnation that this process does not know to be down?"""
    about = state.peers[member]
    oldest = about.incarnation + 1 if about.down else about.incarnation
    return any(
        p.beat is not None and not p.down and p.beat.hears.get(member, 0) >= max(1, oldest)
        for p in state.peers.values()
    )  # fmt: skip


def last_will(state: State, target: str) -> RunNote | None:
    """What a dead executor had got done of the recovery of `target`, as its last heartbeat told."""
    for peer in state.peers.values():
        if peer.down and peer.beat is not None:
            for note in peer.beat.runs:
                if target in note.targets and note.id == run_id(target, incarnation(state, target)):
                    return note
    return None


def run_id(target: str, dead: int) -> str:
    """Every executor gives the same recovery the same name, so a takeover is the same run."""
    return f"{target}-{dead}"


def begin_mutual(
    state: State, target: str, now: float, *, tier: int | None = None, request: str = "", by: str = ""
) -> Stepped:
    """Begin (or go on with) `healer_mutual_restart` on a member that is down."""
    peer = state.peers[target]
    tier = tier or tier_of(state.me, target)
    id = run_id(target, peer.incarnation)
    run = engine.new_run(
        id, state.playbooks[MUTUAL_PLAYBOOK], (target,), tier, id, now,
        request=request, by=by or MUTUAL_TRIGGER, dead={target: peer.incarnation},
    )  # fmt: skip
    will = last_will(state, target)
    if will is not None:
        run = engine.resume(run, will)
        return with_run(state, run), (_takeover(state, id), SaveRun(engine.note_of(run)))
    return with_run(state, run), (
        OpenIncident(id, target, "member", peer.evidence or "heartbeat", tier),
        _down(peer, id),
        started(state, run),
    )


def _down(peer: Peer, incident: str) -> Record:
    evidence = peer.evidence or "heartbeat"
    data = {"target": peer.name, "evidence": evidence, "pid": peer.pid, "incarnation": peer.incarnation}
    return Record("member.down", {**data, "incident": incident})


def started(state: State, run: Run) -> Record:
    data = {"playbook": run.playbook.name, "run": run.id, "targets": list(run.targets), "tier": run.tier}
    times = {"slo_s": run.playbook.slo_s, "duration_s": 0.0, "ok": None}  # as `playbook.finished` has them
    return Record("playbook.started", {**data, "by": state.me, "on": run.by, **times})


def begin_emergency(state: State, now: float) -> Stepped:
    """Both healers are down: begin the emergency protocol. Should this watchdog die, the next uses the same name."""
    peers = [state.peers[h] for h in HEALERS]
    dead = {p.name: p.incarnation for p in peers}
    name = "emergency-" + "-".join(str(n) for n in dead.values())
    before = state.requests.count(name)  # they came back by themselves last time, so they are the same incarnations
    incident = f"{name}.{before}" if before else name
    run = engine.new_run(
        incident, state.playbooks[EMERGENCY_PLAYBOOK], HEALERS, 3, incident, now, dead=dead, by=EMERGENCY_TRIGGER
    )
    # Tier-1 and tier-2 runs on them, ours or of a healer that is down, are absorbed.
    ours = {k for k, r in state.runs.items() if r.ok is None and r.tier < 3 and set(r.dead) & set(HEALERS)}
    absorbed = sorted(ours | {run_id(h, n) for h, n in dead.items()})
    actions: tuple[MemberAction, ...] = (
        OpenIncident(incident, "healers", "member", peers[0].evidence or "heartbeat", 3),
        *(EndRun(run, False, "absorbed by the emergency") for run in absorbed),
        *(_down(peer, incident) for peer in peers),
        started(state, run),
    )
    state = replace(
        state,
        requests=(*state.requests[-REQUESTS_KEPT:], name),
        runs={k: r for k, r in state.runs.items() if k not in ours},
        setbacks={k: s for k, s in state.setbacks.items() if k not in HEALERS},
    )
    return with_run(state, run), actions


def resume_notes(state: State, notes: tuple[RunNote, ...], now: float) -> Stepped:
    """A newborn goes on with what the store says its dead predecessor had begun."""
    actions: list[MemberAction] = []
    for note in notes:
        if note.id in state.runs or note.playbook not in state.playbooks:
            continue
        if note.playbook == EMERGENCY_PLAYBOOK and state.me != "watchdog":
            continue
        if not note.dead:
            state, more = _users_run(state, note, now)
            actions += more
            continue
        if note.playbook == MUTUAL_PLAYBOOK:
            state = replace(state, orphans=(*state.orphans, note))
            continue
        state = with_run(state, _resumed(state, note, now))
        if note.tier == 3:
            state = replace(state, requests=(*state.requests, note.incident.partition(".")[0]))
        if "activate_emergency" in note.done and "deactivate_emergency" not in note.done:
            state = replace(state, emergency=Emergency(note.incident, note.started))
    return state, tuple(actions)


def _users_run(state: State, note: RunNote, now: float) -> Stepped:
    """Goes on under the same name, once it has its locks again; one that a full stop ended is told to be over."""
    run = _resumed(state, note, now)
    if state.fresh:
        text = "graced was stopped meanwhile"
        data = {"playbook": note.playbook, "run": note.id, "slo_s": run.playbook.slo_s, "ok": False, "text": text}
        return state, (Record("playbook.finished", {**data, "duration_s": 0.0}), EndRun(note.id, False, text))
    run = replace(run, locked=not run.targets, lock_since=now)
    state = replace(state, requests=(*state.requests[-REQUESTS_KEPT:], note.id))
    return with_run(state, run), (_takeover(state, note.id, note.playbook),)


def _resumed(state: State, note: RunNote, now: float) -> Run:
    blank = engine.new_run(
        note.id, state.playbooks[note.playbook], note.targets, note.tier, note.incident, now,
        dead=note.dead, request=note.request, by=note.by or "takeover",
    )  # fmt: skip
    return engine.resume(
        replace(blank, vars=note.vars, event=note.event, grant=note.grant, approvals=note.approvals), note
    )


def _conclude_orphans(state: State, now: float) -> Stepped:
    """Runs of this role's dead predecessor whose target is back: nobody else would verify and close them.

    While the target is down, whoever's turn it is goes on with the run, under the same name.
    """
    actions: list[MemberAction] = []
    at_work = {note.id for p in state.peers.values() if p.beat is not None and not p.down for note in p.beat.runs}
    for note in state.orphans:
        target = note.targets[0]
        if note.id in state.runs:
            state = without_orphans(state, {note.id})
        elif note.id in at_work or in_hand(state, target, now):
            continue
        elif healthy(state, target) and settled(state, now):
            state = with_run(without_orphans(state, {note.id}), _resumed(state, note, now))
            actions.append(_takeover(state, note.id))
    return state, tuple(actions)


def without_orphans(state: State, finished: set[str]) -> State:
    return replace(state, orphans=tuple(n for n in state.orphans if n.id not in finished))


def _takeover(state: State, run: str, playbook: str = MUTUAL_PLAYBOOK) -> Record:
    text = f"{state.me} goes on with it"
    data = {"playbook": playbook, "run": run, "step": "takeover", "ok": True, "text": text}
    return Record("playbook.step", data)


def _both_down(state: State) -> bool:
    return all(down(state, h) for h in HEALERS)


def _emergency(state: State, now: float) -> Stepped:
    if not _both_down(state) or any(r.tier == 3 for r in state.runs.values()) or not settled(state, now):
        return state, ()
    return begin_emergency(state, now)


def _tier_two(state: State, target: str, now: float) -> Stepped:
    """The watchdog's turn for one healer: tell the live one; if it does not act, do it here."""
    healer, dead = PEER[target], state.peers[target].incarnation
    told, at = state.told.get(target, (0, 0.0))
    if state.peers[healer].state == "healthy":
        if told != dead:
            request = f"tier2/{run_id(target, dead)}"
            tell = TellRun(healer, request, MUTUAL_PLAYBOOK, target, 2)
            return replace(state, told={**state.told, target: (dead, now)}), (tell,)
        if now - at < TELL_INTERVALS * state.timing.interval:
            return state, ()
    return begin_mutual(state, target, now, tier=2)


def acts_at(state: State, target: str) -> float | None:
    """When it is this member's turn to bring back `target`, which is down; None: not its business."""
    place = rank(state, target)
    if place is None:
        return None
    peer, setback = state.peers[target], state.setbacks.get(target)
    at = max(peer.down_at, setback.until if setback else 0.0)
    if peer.evidence == "heartbeat":  # the verdict of a vote that this member asked for: nobody else knows it
        return at
    return at + place * RANK_INTERVALS * state.timing.interval


def recoveries(state: State, now: float) -> Stepped:
    """Begin what is this member's to begin."""
    if state.stopping or not state.ready:
        return state, ()
    actions: list[MemberAction] = []
    if state.me == "watchdog":
        state, more = _emergency(state, now)
        actions += more
    if state.orphans:
        state, more = _conclude_orphans(state, now)
        actions += more
    for peer in tuple(state.peers.values()):
        target = peer.name
        if peer.state != "down" or in_hand(state, target, now):
            continue
        at = acts_at(state, target)
        if at is None or now < at or not settled(state, now):
            continue
        if target in HEALERS and _both_down(state):
            continue  # the emergency's business
        two = state.me == "watchdog" and target in HEALERS
        state, more = _tier_two(state, target, now) if two else begin_mutual(state, target, now)
        actions += more
    return state, tuple(actions)


def _vote_due(state: State, peer: Peer) -> float | None:
    """When this member asks for a vote on a silent peer; None: not its business."""
    place = rank(state, peer.name)
    if place is None:
        return None
    at = peer.since + state.timing.timeout + place * RANK_INTERVALS * state.timing.interval
    other = PEER.get(peer.name)
    if state.me == "watchdog" and other and state.peers[other].state != "healthy" and not state.peers[other].down:
        at = peer.since + state.timing.timeout + state.timing.confirm  # both silent: the emergency's confirmation
    return max(at, state.vote_after.get(peer.name, 0.0))


def hold_votes(state: State, now: float) -> Stepped:
    """Ask for votes that are due, and act on those that are decided."""
    actions: list[MemberAction] = []
    for target, vote in tuple(state.votes.items()):
        peer = state.peers[target]
        if peer.incarnation != vote.incarnation or peer.state in ("healthy", "down"):
            state = replace(state, votes=without(state.votes, target))
            continue
        verdict = votes.decided(vote, now)
        if verdict is None:
            continue
        state = replace(
            state,
            votes=without(state.votes, target),
            vote_after={**state.vote_after, target: now + state.timing.timeout},
        )
        for voter, ballot in vote.ballots.items():
            actions.append(Record("vote.cast", {"vote": vote.id, "voter": voter, "target": target, "down": ballot}))
        actions.append(
            Record(
                "vote.decided", {"vote": vote.id, "target": target, "down": verdict, "electorate": len(vote.voters) + 1}
            )
        )
        if verdict:
            state = replace(state, peers={**state.peers, target: liveness.outvoted(peer, now)})
        elif votes.outnumbered(vote):
            actions.append(Resign(f"deaf: the others hear {target}"))
    if not state.ready or state.stopping:
        return state, tuple(actions)
    for peer in state.peers.values():
        if not liveness.silent(peer, state.timing, now) or peer.name in state.votes:
            continue
        at = _vote_due(state, peer)
        if at is None or now < at:
            continue
        vote = votes.ask(state.me, peer, state.peers, state.timing, now)
        state = replace(state, votes={**state.votes, peer.name: vote})
        if vote.voters:
            actions.append(AskVote(vote.id, vote.voters, peer.name, peer.incarnation))
    return state, tuple(actions)


def others_ended(state: State, old: Beat, new: Beat, now: float) -> State:
    """Runs that a peer does not tell of any more. If the target is still down it was in vain, for all who watch."""
    left = {note.id for note in new.runs}
    ended = [note for note in old.runs if note.id not in left]
    for target in {t for note in ended if note.tier < 3 for t in note.dead}:
        if target in state.peers and state.peers[target].down:
            state = setback(state, target, f"{new.member} could not bring it back", now)
    return without_orphans(state, {note.id for note in ended}) if state.orphans else state


def verdict_spent(state: State, target: str) -> State:
    """A quorum's word is good for one attempt: who was only silent may have been heard by others since."""
    peer = state.peers[target]
    return with_peer(state, liveness.acquitted(peer)) if peer.evidence == "heartbeat" else state


def setback(state: State, target: str, text: str, now: float) -> State:
    """A run on `target` failed: wait before the next, ever longer, up to `backoff.max`."""
    old = state.setbacks.get(target)
    count = old.count + 1 if old else 1
    wait = min(
        state.policy.max, max(state.timing.interval, state.policy.initial) * state.policy.factor ** min(count - 1, 16)
    )
    return replace(state, setbacks={**state.setbacks, target: Setback(count, now + wait, text)})
