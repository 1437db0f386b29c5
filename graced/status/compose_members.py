"""From what was gathered to the `members` of status. Pure.

A view may be old by the time it is read, so no view is enough to call a member healthy: its role lock must name that
very process, and that process must be alive and not stopped.
"""

from typing import Any, Final

from graced.bus.protocol import PeerView
from graced.home.presence import Presence
from graced.posix.clock import wall_iso
from graced.spec.roles import MEMBERS, SURVIVORS
from graced.status.facts import Clocks, Gathered

OBSERVERS: Final = ("watchdog", *SURVIVORS, "spawner")
"""Whose word counts, best first."""

TICKS_PER_S: Final = 100
"""Of start times in /proc: USER_HZ, the same on every Linux that Python runs on."""

STARTING_S: Final = 10.0
"""A member that is older and does not answer is not starting any more."""

NOT_FOR_PEOPLE: Final = frozenset({"hears"})
AGE_PLACES: Final = 3


def member_rows(g: Gathered) -> dict[str, dict[str, Any]]:
    return {name: _row(g, name) for name in MEMBERS}


def _row(g: Gathered, name: str) -> dict[str, Any]:
    presence, view = g.presences[name], g.views.get(name)
    opinion = _opinion(g, name)
    state = member_state(g, name)
    ticks = presence.record.start_ticks if presence.alive and presence.record else 0
    started_at, uptime_s = since_ticks(ticks, g.clocks)
    usage = g.usages.get(presence.pid) if presence.alive else None
    answered = view is not None and view.pid == presence.pid
    return {
        "pid": presence.pid or None,
        "state": state,
        "incarnation": presence.incarnation,
        "started_at": started_at,
        "uptime_s": uptime_s,
        "heartbeat_age_s": round(opinion.age, AGE_PLACES) if opinion and presence.alive and opinion.age >= 0 else None,
        "restarts": max(0, presence.incarnation - g.base.get(name, 0) - 1),
        "rss_bytes": usage.rss_bytes if usage else None,
        "pss_bytes": usage.pss_bytes if usage else None,
        "cpu_s": usage.cpu_s if usage else None,
        "loop_lag_s": round(view.lag, 6) if view is not None and answered else None,
        "detail": _detail(g, name, state, opinion),
    }


def member_state(g: Gathered, name: str) -> str:
    """starting | healthy | suspect | down | restarting | failed."""
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
    return "restarting" if seen == "down" and targeted else seen


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
    """Members that a playbook run is at work on, as far as anybody tells."""
    told = [target for view in g.views.values() for run in view.runs for target in run.get("targets", ())]
    silent = [
        target
        for executor, on in g.unfinished.items()
        if executor not in g.views and g.presences[executor].alive
        for target in on
    ]
    return frozenset(target for target in (*told, *silent) if target in MEMBERS)


def _opinion(g: Gathered, name: str) -> PeerView | None:
    """What the best observer that has an opinion says of the very process that holds the role."""
    presence = g.presences[name]
    for observer in OBSERVERS:
        view = g.views.get(observer)
        peer = view.peers.get(name) if view is not None and observer != name else None
        if peer is not None and peer.state != "unknown" and _is_holder(peer, presence):
            return peer
    return None


def watchdog_agrees(g: Gathered) -> bool:
    """Does the watchdog itself hold every present member for healthy?

    Views are of slightly different moments. One of the watchdog's from before a death knows nothing of the emergency
    that follows, while another member's may be from after the births: only the watchdog can say that it is over.
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
    """exit | zombie | stopped | heartbeat, or never: the role was never held."""
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
