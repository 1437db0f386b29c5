"""Every kind of audit record, with the keys that its data must have (more keys are welcome).

A kind or key that is not as the table says raises where the record is made, so a typo never reaches a log.
"""

from collections.abc import Mapping
from typing import Any, Final

_RECOVERY: Final = ("tier", "targets", "by", "duration_s")
_DELEGATION: Final = ("agent", "powers", "incident")

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "member.started": (),
    "member.down": ("target", "evidence"),
    "recovery.started": _RECOVERY,
    "recovery.succeeded": _RECOVERY,
    "recovery.failed": _RECOVERY,
    "emergency.activated": (),
    "emergency.ended": (),
    "delegation.granted": _DELEGATION,
    "delegation.revoked": _DELEGATION,
    "vote.cast": (),
    "vote.decided": (),
    "playbook.started": (),
    "playbook.step": (),
    "playbook.finished": ("playbook", "slo_s", "duration_s", "ok"),
    "playbook.limited": ("playbook", "trigger", "target"),
    "kernel.started": (),
    "kernel.exited": (),
    "kernel.unhealthy": (),
    "fix.applied": ("task", "path", "sha256_before", "sha256_after"),
    "fix.undone": (),
    "source.restored": ("kernel", "files", "kept_in"),
    "escalated": (),
    "approval.requested": (),
    "approval.decided": (),
    "power.refused": (),
    # Of the log about itself, written by whoever held its lock when it was noticed.
    "audit.torn": ("file", "offset", "size_bytes"),
    "audit.broken": ("file", "why"),
    "audit.summary": ("reason", "since", "dropped", "kinds"),
}


def demand(kind: str, data: Mapping[str, Any]) -> None:
    """Raises ValueError when the kind is unknown or its data lacks a key."""
    keys = KINDS.get(kind)
    if keys is None:
        raise ValueError(f"unknown audit kind {kind!r}")
    for key in keys:
        if key not in data:
            raise ValueError(f"audit kind {kind!r} lacks {key!r} in its data")
