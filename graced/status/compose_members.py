"""Makes the `members` of the status from what was gathered. Pure.

A view may be old by the time it is read, so no view is enough to call a member healthy: its role lock must name that
very process, and that process must be alive and not stopped.
"""

from typing import Any, Final, cast

from graced.bus.protocol import PeerView
from graced.home.presence import Presence
from graced.posix.clock import wall_iso
from graced.spec.roles import MEMBERS, RECOVERY_PLAYBOOKS, SURVIVORS
from graced.status.facts import Clocks, Gathered
from graced.status.structs import MemberState, MemberStatus

OBSERVERS: Final = ("watchdog", *SURVIVORS, "spawner")
"""Whose word counts, best first."""

TICKS_PER_S: Final = 100
"""Of start times in /proc: USER_HZ, the same on every Linux that Python runs on."""

STARTING_S: Final = 10.0
"""A member that is older and does not answer is not starting any more."""

NOT_FOR_PEOPLE: Final = frozenset({"hears"})
AGE_PLACES: Final = 3
LAG_PLACES: Final = 6


def member_statuses(g: Gathered) -> dict[str, MemberStatus]:
    """Every member, in the order of MEMBERS."""
    return {name: _member_status(g, name) for name in MEMBERS}


def _member_status(g: Gathered, name: str) -> MemberStatus:
    presence, view = g.presences[name], g.views.get(name)
    opinion = _opinion(g, name)
    state = member_state(g, name)
    ticks = presence.record.start_ticks if presence.alive and presence.record else 0
    started_at, uptime_s = since_ticks(ticks, g.clocks)
    usage = g.usages.get(presence.pid) if presence.alive else None
    answered = view is not None and view.pid == presence.pid
    age = opinion.age if opinion is not None and presence.alive and opinion.age >= 0 else None
    return MemberStatus(
        pid=presence.pid or None,
        state=state,
        incarnation=presence.incarnation,
        started_at=started_at,
        uptime_s=uptime_s,
        heartbeat_age_s=None if age is None else round(age, AGE_PLACES),
        restarts=max(0, presence.incarnation - g.base.get(name, 0) - 1),
        rss_bytes=usage.rss_bytes if usage else None,
        pss_bytes=usage.pss_bytes if usage else None,
        cpu_s=usage.cpu_s if usage else None,
        loop_lag_s=round(view.lag, LAG_PLACES) if view is not None and answered else None,
        detail=_detail(g, name, state, opinion),
    )


def member_state(g: Gathered, name: str) -> MemberState:
    presence = g.presences[name]
    targeted = name in targets(g)
    if name in failing(g):
        return "failed"
    if not presence.alive:
        return "restarting" if targeted else "down"
    opinion = _opinion(g, name)
    seen = opinion.state if opinion is not None else "starting"
    view = g.views.get(name)
    if view is not None and view.pid == presence.pid:
        if opinion is None and view.healthy:  # nobody else is there to say so
            seen = "healthy"
        elif seen == "healthy" and not view.healthy:
            seen = "starting"
    if seen == "starting" and view is None and _age_s(g, presence) > STARTING_S:
        seen = "suspect"  # nobody tells of it, nor does it answer itself: frozen, as by `docker pause`
    if not presence.awake and seen in ("healthy", "starting"):
        seen = "suspect"
    return "restarting" if seen == "down" and targeted else cast(MemberState, seen)


def _age_s(g: Gathered, presence: Presence) -> float:
    return since_ticks(presence.record.start_ticks if presence.record else 0, g.clocks)[1] or 0.0


def failing(g: Gathered) -> dict[str, str]:
    """Members whose starts do not become healthy, and why, as the spawner counts them."""
    view = g.views.get("spawner")
    if view is None:
        return {}
    return {name: why for name, why in view.failing.items() if name in g.presences and not _well_again(g, name)}


def _well_again(g: Gathered, name: str) -> bool:
    opinion = _opinion(g, name)
    return g.presences[name].awake and opinion is not None and opinion.state == "healthy"


def targets(g: Gathered) -> frozenset[str]:
    """The members that a recovery is bringing back, by the views and by the runs stored as unfinished."""
    recoveries = [run for view in g.views.values() for run in view.runs if run.get("playbook") in RECOVERY_PLAYBOOKS]
    told = [target for run in recoveries for target in run.get("targets", ())]
    silent = [
        target
        for executor, on in g.unfinished.items()
        if executor not in g.views and g.presences[executor].alive
        for target in on
    ]
    return frozenset(target for target in (*told, *silent) if target in MEMBERS)


def _opinion(g: Gathered, name: str) -> PeerView | None:
    """What the best observer says of the process that holds the role; None when no observer knows that process."""
    presence = g.presences[name]
    for observer in OBSERVERS:
        view = g.views.get(observer)
        peer = view.peers.get(name) if view is not None and observer != name else None
        if peer is not None and peer.state != "unknown" and _is_holder(peer, presence):
            return peer
    return None


def watchdog_agrees(g: Gathered) -> bool:
    """Does the watchdog say that every process which holds a role now is healthy?

    The views were made at slightly different moments. The watchdog's view may be older than a death, another member's
    newer than the births that followed. So only the watchdog can say that an emergency is over.
    """
    view = g.views.get("watchdog")
    if view is None:
        return False
    peers = [(view.peers.get(name), g.presences[name]) for name in MEMBERS if name != "watchdog"]
    return all(p is not None and _is_holder(p, here) and p.state == "healthy" for p, here in peers)


def _is_holder(peer: PeerView, presence: Presence) -> bool:
    record = presence.record
    return record is not None and (peer.pid, peer.incarnation) == (record.pid, record.incarnation)


def _detail(g: Gathered, name: str, state: str, opinion: PeerView | None) -> dict[str, Any]:
    view = g.views.get(name)
    told = {} if view is None else {key: value for key, value in view.detail.items() if key not in NOT_FOR_PEOPLE}
    if state == "failed":
        told["reason"] = failing(g)[name]
    elif state in ("suspect", "down", "restarting"):
        told["evidence"] = _evidence(g.presences[name], opinion)
    return told


def _evidence(presence: Presence, opinion: PeerView | None) -> str:
    """Why the member is not well: exit | zombie | stopped | heartbeat | never (no process ever held the role)."""
    if presence.record is None:
        return "never"
    if presence.status in ("zombie", "stopped"):
        return presence.status
    if not presence.alive:
        return "exit"
    return opinion.evidence if opinion is not None and opinion.evidence else "heartbeat"


def since_ticks(start_ticks: int, clocks: Clocks) -> tuple[str | None, float | None]:
    """(started_at, uptime_s) of a process that began `start_ticks` after boot; (None, None) for 0."""
    if not start_ticks:
        return None, None
    uptime_s = max(0.0, clocks.boottime - start_ticks / TICKS_PER_S)
    return wall_iso(clocks.wall - uptime_s), round(uptime_s, AGE_PLACES)
