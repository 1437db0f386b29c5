"""From what was gathered to `Status`. Pure: no clock, no I/O."""

from graced.posix.clock import wall_iso
from graced.spec.roles import DELEGATES, EMERGENCY_PLAYBOOK, HEALERS, PEER
from graced.status.compose_kernels import kernel_status, kernels_now, troubled
from graced.status.compose_members import OBSERVERS, member_statuses, targets, watchdog_agrees
from graced.status.facts import Gathered
from graced.status.structs import SCHEMA, Audit, Delegation, MemberStatus, Mode, Status


def compose(g: Gathered) -> Status:
    """The status that these facts amount to. Every field is set, whatever the state of the home."""
    members, kernels = member_statuses(g), kernels_now(g)
    mode = _mode(g, members)
    return Status(
        schema=SCHEMA,
        at=wall_iso(g.clocks.wall),
        version=g.version,
        home=g.root,
        pid=members["spawner"].pid,
        mode=mode,
        healthy=mode == "normal" and not any(troubled(kernel) for kernel in kernels.values()),
        mutual_recovery="ready" if _mutual(g, members) else "degraded",
        emergency="active" if mode == "emergency" else "armed",
        source=next((member for member in OBSERVERS if member in g.views), "disk"),
        members=members,
        kernels={name: kernel_status(g, kernel) for name, kernel in kernels.items()},
        recoveries=g.recoveries,
        delegations=_delegations(g),
        code=g.code,
        tasks=g.tasks,
        approvals=g.approvals,
        audit=Audit(g.audit_records, g.audit_head, any(view.degraded for view in g.views.values())),
    )


def _mode(g: Gathered, members: dict[str, MemberStatus]) -> Mode:
    if not any(presence.alive for presence in g.presences.values()):
        return "stopped"
    if _emergency(g):
        return "emergency"
    all_healthy = all(member.state == "healthy" for member in members.values())
    over = all_healthy and watchdog_agrees(g) and not targets(g) and not _unwritten(g)
    return "normal" if over else "recovering"


def _emergency(g: Gathered) -> bool:
    """Is there an emergency? The watchdog says so, a member runs its playbook, or a delegate holds a power."""
    return any(
        view.emergency or view.leases or any(run.get("playbook") == EMERGENCY_PLAYBOOK for run in view.runs)
        for view in g.views.values()
    )


def _unwritten(g: Gathered) -> bool:
    """Does a member still have audit records to write, as at the end of a recovery? A full disk does not count."""
    return any(view.pending and not view.degraded for view in g.views.values())


def _mutual(g: Gathered, members: dict[str, MemberStatus]) -> bool:
    """Can the healers restart each other: is each healthy, and does each hear the other?"""
    for healer in HEALERS:
        view, peer = g.views.get(healer), PEER[healer]
        heard = view.peers.get(peer) if view is not None else None
        if members[healer].state != "healthy" or heard is None:
            return False
        if heard.state != "healthy" or heard.incarnation != members[peer].incarnation:
            return False
    return True


def _delegations(g: Gathered) -> tuple[Delegation, ...]:
    return tuple(
        Delegation(
            agent=lease["agent"],
            powers=tuple(lease["powers"]),
            incident=lease["incident"],
            expires_at=wall_iso(g.clocks.wall + lease["expires_in"]),
        )
        for delegate in DELEGATES
        if delegate in g.views
        for lease in g.views[delegate].leases
    )
