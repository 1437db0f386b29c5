"""`Status`: what `graced status` tells, typed. Its encoding is the object of `graced status --json`, field for field.

Made by `compose` alone. Times are ISO 8601 UTC; a field that ends in `_s` is in seconds, `_bytes` in bytes; None is
what nobody knows, and what a process that does not run does not have.
"""

from typing import Any, Final, Literal

from msgspec import Struct

Mode = Literal["normal", "recovering", "emergency", "stopped"]
MemberState = Literal["starting", "healthy", "suspect", "down", "restarting", "failed"]
KernelState = Literal[
    "stopped", "starting", "ready", "healthy", "unhealthy", "backoff", "failed", "exited", "scheduled"
]  # fmt: skip

WELL: Final = frozenset({"ready", "healthy"})
"""States of a kernel that does what it is meant to do."""

IDLE: Final = frozenset({"stopped", "exited", "scheduled"})
"""States of a kernel that is not meant to run now."""

ALIVE: Final = frozenset({"starting", "ready", "healthy", "unhealthy"})
"""States of a kernel that has a process."""

SCHEMA: Final = 1


class MemberStatus(Struct, frozen=True):
    """`heartbeat_age_s` by whoever hears it best. `detail`: what its role tells besides, and why it is not well:
    `evidence` (exit | zombie | stopped | heartbeat | never) or, of one that failed, `reason`."""

    pid: int | None
    state: MemberState
    incarnation: int
    started_at: str | None
    uptime_s: float | None
    heartbeat_age_s: float | None
    restarts: int
    rss_bytes: int | None
    pss_bytes: int | None
    cpu_s: float | None
    loop_lag_s: float | None
    detail: dict[str, Any]


class KernelStatus(Struct, frozen=True):
    """`exit` of the last run: None, {"code": 0}, {"signal": 9} or "unknown"."""

    pid: int | None
    state: KernelState
    run: int
    reason: str
    started_at: str | None
    uptime_s: float | None
    restarts: int
    exit: dict[str, int] | str | None
    critical: bool
    rung: str | None
    rss_bytes: int | None
    cpu_s: float | None


class Recoveries(Struct, frozen=True):
    """Over the life of the home."""

    mutual: int = 0
    emergency: int = 0
    kernel: int = 0


class Delegation(Struct, frozen=True):
    """Powers that a delegate holds for the time of an incident."""

    agent: str
    powers: tuple[str, ...]
    incident: str
    expires_at: str


class Code(Struct, frozen=True):
    """Of the watched trees. `scanned_at`: None before the first scan."""

    files: int = 0
    broken: int = 0
    scanned_at: str | None = None


class Tasks(Struct, frozen=True):
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    undone: int = 0


class Audit(Struct, frozen=True):
    """`head`: hash of the last record. `degraded`: a member cannot write the log or state.db now."""

    records: int
    head: str
    degraded: bool


class Status(Struct, frozen=True):
    """`pid` is the spawner's. `source`: the best observer that answered, else `disk`."""

    schema: int
    at: str
    version: str
    home: str
    pid: int | None
    mode: Mode
    healthy: bool
    mutual_recovery: Literal["ready", "degraded"]
    emergency: Literal["armed", "active"]
    source: str
    members: dict[str, MemberStatus]
    kernels: dict[str, KernelStatus]
    recoveries: Recoveries
    delegations: tuple[Delegation, ...]
    code: Code
    tasks: Tasks
    approvals: int
    audit: Audit
