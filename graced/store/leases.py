"""Leases: powers lent to delegates in an emergency. Revoked is for ever, whatever is saved afterwards."""

from typing import Final

import msgspec

from graced.posix.clock import boottime
from graced.posix.proc import boot_id
from graced.store.db import Store

KEPT_S: Final = 3600.0
"""An expired lease is deleted after this."""


class LeaseRow(msgspec.Struct, frozen=True):
    """One power lent to one incarnation of an agent until `expires_boottime` (seconds of CLOCK_BOOTTIME, this boot)."""

    id: str
    incident: str
    agent: str
    incarnation: int
    power: str
    expires_boottime: float
    revoked: bool


def save_lease(
    store: Store,
    id: str,
    incident: str,
    agent: str,
    power: str,
    expires_boottime: float,
    revoked: bool = False,
    incarnation: int = 0,
) -> bool:
    """Keeps a lease, or its renewal or revocation under the same id; True when written."""
    waiting: LeaseRow | None = store.waiting(("lease", id))
    over = revoked or (waiting is not None and waiting.revoked)  # a renewal wipes out no revocation that waits
    lease = LeaseRow(id, incident, agent, incarnation, power, expires_boottime, over)

    here = boot_id()
    return store.write_all(
        (
            (
                "INSERT INTO leases (id, incident, agent, incarnation, power, boot_id, expires_boottime, revoked)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation,"
                " expires_boottime = excluded.expires_boottime, revoked = max(revoked, excluded.revoked)",
                (id, incident, agent, incarnation, power, here, expires_boottime, int(over)),
            ),
            ("DELETE FROM leases WHERE boot_id <> ? OR expires_boottime < ?", (here, boottime() - KEPT_S)),
        ),
        key=("lease", id),
        note=lease,
    )


def revoke_leases(store: Store, incident: str) -> bool:
    """Revokes what was lent under an incident up to now; True when written."""
    return store.write("UPDATE leases SET revoked = 1 WHERE incident = ?", (incident,))


def is_revoked(store: Store, incident: str) -> bool:
    """Was what was lent under this incident taken back? A lease that is not written yet is not revoked."""
    return bool(store.read("SELECT 1 FROM leases WHERE incident = ? AND revoked = 1 LIMIT 1", (incident,)))
