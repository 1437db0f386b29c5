"""Why a kernel or member is as it is: since when, because of what, when it is tried next, what would change it.

One explanation for `graced why`, and for what is broken in `graced status`.
"""

import os
import pwd
import time
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from graced.bus.protocol import KernelView
from graced.core.kernels.ladder import NOTIFY
from graced.home.kept import kept_config, running_kernels
from graced.home.paths import Home
from graced.posix.clock import wall_iso
from graced.posix.log_end import last_lines
from graced.spec.config import Config, Kernel
from graced.status.compose import compose
from graced.status.compose_kernels import kernels_now
from graced.status.disk import reader
from graced.status.facts import Gathered
from graced.status.gather import gather
from graced.status.structs import WELL, KernelStatus, MemberStatus
from graced.store.tables import Incident, incidents

LOG_LINES: Final = 5
DEAD: Final = frozenset({"failed", "backoff", "starting", "unhealthy", "stopped", "exited"})
"""States whose cause the end of the log may tell."""

MEMBER_CAUSES: Final = {
    "exit": "its process has ended",
    "zombie": "its process has ended",
    "stopped": "its process is stopped by a signal",
    "heartbeat": "no heartbeat of it is heard",
    "never": "it was never started",
}


class Explanation(Struct, frozen=True):
    """Times are ISO 8601 UTC, None where there is none. `told`: whom an escalation reached, a sentence; `commands`:
    what a person may do, `COMMAND: what it does`."""

    name: str
    kind: str
    state: str
    since: str | None
    reason: str
    exit: Any
    log: tuple[str, ...]
    waits_for: tuple[str, ...]
    rung: str | None
    next_try: str | None
    incident: str | None
    told: str
    commands: tuple[str, ...]


def explain(home: Home, names: Sequence[str] = ()) -> dict[str, Explanation]:
    """Of these kernels and members; without names of every kernel that is meant to run and is not well."""
    config = kept_config(home)
    specs = running_kernels(config)
    g = gather(home, specs)
    found = compose(g)
    kernels = kernels_now(g)
    stored = _incidents(home)
    if not names:
        names = [n for n, k in kernels.items() if _broken(k, found.kernels.get(n))]
    said: dict[str, Explanation] = {}
    for name in names:
        if name in found.members:
            said[name] = _member(home, name, found.members[name], stored)
        elif name in kernels:
            said[name] = _kernel(home, name, kernels, found.kernels[name], specs.get(name), g, config, stored)
    return said


def _broken(kernel: KernelView, row: KernelStatus | None) -> bool:
    state = row.state if row is not None else kernel.state
    return kernel.wanted and not kernel.stopped_by_person and state not in WELL | {"exited", "scheduled"}


def _incidents(home: Home) -> list[Incident]:
    store = reader(home)
    try:
        return incidents(store)
    finally:
        store.close()


def _newest(stored: list[Incident], name: str) -> Incident | None:
    open_ones = [i for i in stored if i.subject == name and i.state != "recovered"]
    return open_ones[-1] if open_ones else None


def _kernel(
    home: Home,
    name: str,
    kernels: dict[str, KernelView],
    row: KernelStatus,
    spec: Kernel | None,
    g: Gathered,
    config: Config,
    stored: list[Incident],
) -> Explanation:
    kernel, state = kernels[name], row.state
    incident = _newest(stored, name) if state not in WELL else None
    needs = tuple(
        f"{need.name} ({kernels[need.name].state})"
        for need in (spec.depends_on if spec is not None else ())
        if need.name in kernels and not kernel.run.pid and kernels[need.name].state not in WELL | {"exited"}
    )
    due = kernel.due - g.clocks.monotonic if kernel.due and not kernel.run.pid and kernel.wanted else 0.0
    reason = row.reason or kernel.reason
    barred = foreign(kernel.run.pid)
    return Explanation(
        name=name,
        kind="kernel",
        state=state,
        since=row.started_at if kernel.run.pid else incident.at if incident is not None else None,
        reason="; ".join(part for part in (reason, barred) if part),
        exit=kernel.exit,
        log=tuple(last_lines(home.log(name), LOG_LINES)) if state in DEAD else (),
        waits_for=needs,
        rung=kernel.rung,
        next_try=wall_iso(time.time() + due) if due > 0 else None,
        incident=incident.id if incident is not None else None,
        told=_told(incident, config, called=state == "failed" or kernel.rung == NOTIFY),
        commands=_commands(name, state, kernel, row),
    )


def _told(incident: Incident | None, config: Config, *, called: bool) -> str:
    """Whom an escalation reached. `called`: people were called, though the incident is still open."""
    if incident is None:
        return ""
    if incident.state != "escalated" and not called:
        return "nobody yet: graced is at it"
    if not config.notify:
        return "nobody outside: `notify` in graced.yaml is empty"
    return f"{len(config.notify)} address{'es' if len(config.notify) > 1 else ''} of `notify`"


def foreign(pid: int) -> str:
    """A sentence when this user may not signal that process; else empty."""
    if not pid:
        return ""
    try:
        os.kill(pid, 0)
        return ""
    except PermissionError:
        pass
    except OSError:
        return ""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return ""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return f"pid {pid} is a process of {user}, which this user cannot signal: end it with `sudo kill {pid}`"


def _commands(name: str, state: str, kernel: KernelView, row: KernelStatus) -> tuple[str, ...]:
    if "stopped by a signal" in row.reason:
        return (f"kill -CONT {kernel.run.pid}: it goes on", f"graced restart {name}: another one in its place")
    if state in WELL or state == "starting":
        return (f"graced restart {name}: another one in its place", f"graced stop {name}: until a person starts it")
    if kernel.stopped_by_person or state in ("stopped", "exited", "scheduled"):
        return (f"graced start {name}: it runs again",)
    return (f"graced restart {name}: tried at once", f"graced stop {name}: no more tries", f"graced logs {name}")


def _member(home: Home, name: str, row: MemberStatus, stored: list[Incident]) -> Explanation:
    well = row.state == "healthy"
    incident = None if well else _newest(stored, name)
    detail = row.detail
    reason = str(detail.get("reason") or MEMBER_CAUSES.get(str(detail.get("evidence", "")), ""))
    return Explanation(
        name=name,
        kind="member",
        state=row.state,
        since=row.started_at or (incident.at if incident is not None else None),
        reason=reason,
        exit=None,
        log=() if well else tuple(last_lines(home.log(name), LOG_LINES)),
        waits_for=(),
        rung=None,
        next_try=None,
        incident=incident.id if incident is not None else None,
        told="",
        commands=(f"graced restart {name}: another one in its place",),
    )
