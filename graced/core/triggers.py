"""What starts a playbook by itself: an occurrence, told as `Happened`, meets the `on:` of every playbook.

The healers take triggers, each those that it sees; a delegate only while a power lets it (`run_playbook`). A playbook
is started once for an occurrence, and at most `at_most` times for one target `within` a time; beyond that it is on
record once. What was started lately a newborn reads from the audit log: no death of a healer lifts a limit.
"""

import fnmatch
from typing import Final

from msgspec.structs import replace

from graced.core import asking, powers
from graced.core.kernels.vocabulary import BeginRung
from graced.core.state import State, Stepped
from graced.core.vocabulary import Fired, Happened, MemberAction, Record, RunAsked
from graced.spec.playbook import Playbook, Trigger
from graced.spec.roles import DELEGATES, HEALERS, PEER

RUN_PLAYBOOK: Final = "run_playbook"
FIRED_KEPT: Final = 1000
DAY_S: Final = 86_400.0
"""What was started longer ago counts for no limit."""


def seen(action: MemberAction) -> Happened | None:
    """What an action of a core, on its way into the world, tells of."""
    match action:
        case Record(kind="kernel.exited") if action.data.get("failed"):
            data = action.data
            name, facts = str(data["kernel"]), {"evidence": data["evidence"], "run": data["run"], "exit": data["exit"]}
            return Happened("kernel.crashed", name, f"{name}-run{data['run']}", str(data["incident"]), facts)
        case Record(kind="kernel.unhealthy"):
            name, run = str(action.data.get("kernel")), action.data.get("run")
            return Happened("kernel.unhealthy", name, f"{name}-run{run}", "", dict(action.data))
        case BeginRung():
            key = f"{action.kernel}-run{action.run}"
            return Happened("kernel.ladder", action.kernel, key, action.incident, {"run": action.run})
    return None


def members_down(before: State, state: State, now: float) -> Stepped:
    """Members that this step has found to be down. One healer tells of each: self_healing, or its peer in its place."""
    if state.me not in HEALERS or not state.ready or before.peers is state.peers:
        return state, ()
    actions: list[MemberAction] = []
    for peer in state.peers.values():
        if not peer.down or before.peers[peer.name].down or not _mine(state, peer.name):
            continue
        facts = {"evidence": peer.evidence, "incarnation": peer.incarnation}
        key = f"{peer.name}-{peer.incarnation}"
        state, more = happened(state, Happened("member.down", peer.name, key, key, facts), now)
        actions += more
    return state, tuple(actions)


def _mine(state: State, member: str) -> bool:
    first = HEALERS[0]
    return state.me == first or member == first or state.peers[PEER[state.me]].down


def happened(state: State, event: Happened, now: float) -> Stepped:
    """Start every playbook that the occurrence is a trigger of."""
    if state.stopping or not state.ready:
        return state, ()
    actions: list[MemberAction] = []
    for playbook in tuple(state.playbooks.values()):
        for trigger in playbook.on:
            if trigger.name == event.trigger and _matches(trigger, event.target):
                state, more = _fire(state, playbook, trigger, event, now)
                actions += more
    return state, tuple(actions)


def _matches(trigger: Trigger, target: str) -> bool:
    return not trigger.only or any(fnmatch.fnmatchcase(target, pattern) for pattern in trigger.only)


def _fire(state: State, playbook: Playbook, trigger: Trigger, event: Happened, now: float) -> Stepped:
    request = f"{playbook.name}.{event.trigger}.{event.key}"
    if request in state.requests:
        return state, ()
    if state.me in DELEGATES and not powers.holds(state, event.grant, RUN_PLAYBOOK, now):
        what = f"{playbook.name} on {event.trigger} of {event.target}"
        return state, (Record("power.refused", {"agent": state.me, "power": RUN_PLAYBOOK, "what": what}),)
    lately = [at for name, target, at in state.fired if (name, target) == (playbook.name, event.target)]
    lately = sorted(at for at in lately if now - at < trigger.within_s)
    if len(lately) >= trigger.at_most:
        return _limited(state, playbook, trigger, event, lately[0] + trigger.within_s, now)
    recent = tuple(entry for entry in state.fired if now - entry[2] < DAY_S)[-FIRED_KEPT:]
    state = replace(
        state,
        fired=(*recent, (playbook.name, event.target, now)),
        requests=(*state.requests[-FIRED_KEPT:], request),
    )
    given = {"target": event.target} if "target" in playbook.vars else {}
    facts = {**event.facts, "trigger": event.trigger}
    run = RunAsked(request, playbook.name, event.target, 1, event.trigger, given, event.incident, facts)
    return asking.begin(state, run, playbook, now, event.grant)


def _limited(
    state: State, playbook: Playbook, trigger: Trigger, event: Happened, until: float, now: float
) -> Stepped:  # fmt: skip
    """Over its limit: on record once, until it may be started again."""
    key = f"{playbook.name}\0{event.target}"
    if now < state.limited.get(key, 0.0):
        return state, ()
    limited = {k: at for k, at in state.limited.items() if now < at}
    text = f"started {trigger.at_most} times within {trigger.within_s:g} s already"
    data = {"playbook": playbook.name, "trigger": event.trigger, "target": event.target, "text": text}
    return replace(state, limited={**limited, key: until}), (Record("playbook.limited", data),)


def fired_before(state: State, event: Fired) -> State:
    """What a newborn reads of its predecessors' runs."""
    fired = tuple((playbook, target, at) for playbook, target, _, at in event.runs)
    requests = tuple(request for _, _, request, _ in event.runs)
    return replace(state, fired=(*fired, *state.fired), requests=(*requests, *state.requests))
