"""How a member shows itself: its heartbeat, and its answer to `status`."""

from typing import TYPE_CHECKING

from graced.bus.protocol import PeerView, View
from graced.core import engine
from graced.core.state import State
from graced.core.vocabulary import Beat

if TYPE_CHECKING:
    from graced.members.shell import Shell


def hears(state: State) -> dict[str, int]:
    """Who is held for alive, with the incarnation that was heard."""
    return {p.name: p.incarnation for p in state.peers.values() if p.heard and not p.down}


def beat(shell: "Shell") -> Beat:
    state = shell.state
    return Beat(
        shell.me,
        shell.identity.pid,
        shell.identity.start_ticks,
        shell.incarnation,
        shell.seq,
        "healthy" if state.ready else "starting",
        round(shell.lag, 6),
        state.born,
        hears(state),
        tuple(engine.note_of(r) for r in state.runs.values()),
        tuple(state.held),
        shell.duty.detail(),
    )


def view(shell: "Shell") -> View:
    now, state = shell.now(), shell.state
    peers = {
        p.name: PeerView(p.state, p.evidence, p.pid, p.start_ticks, p.incarnation, now - p.since if p.heard else -1.0)
        for p in state.peers.values()
    }
    runs = [
        {
            "id": r.id,
            "playbook": r.playbook.name,
            "targets": list(r.targets),
            "tier": r.tier,
            "step": engine.current(r),
            "incident": r.incident,
        }
        for r in state.runs.values()
    ]
    leases = [
        {
            "agent": shell.me,
            "powers": list(h.lease.powers),
            "incident": h.lease.incident,
            "expires_in": h.until - now,
        }
        for h in state.held.values()
    ]
    return View(
        shell.me,
        shell.identity.pid,
        shell.identity.start_ticks,
        shell.incarnation,
        state.born,
        now,
        state.ready,
        shell.lag,
        peers,
        runs,
        state.emergency.incident if state.emergency else "",
        leases,
        shell.audit.pending + shell.store.pending,
        shell.audit.degraded or shell.store.degraded,
        {**shell.duty.detail(), "hears": hears(state)},
    )
