"""One look at a home: asks who is awake, reads the disk, measures. Bounded in time whoever hangs."""

import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from graced import __version__
from graced.bus.client import ask_many
from graced.bus.protocol import View
from graced.home.kept import kept_config, read_base, running_kernels
from graced.home.paths import Home
from graced.home.presence import Presence, presences
from graced.home.slots import identity_of, stored_slots
from graced.home.stopping import announced
from graced.posix import proc
from graced.posix.clock import boottime, monotonic
from graced.posix.proc import Usage
from graced.spec.config import Kernel
from graced.spec.roles import MEMBERS
from graced.status import disk
from graced.status.facts import Clocks, Gathered
from graced.status.structs import Code

STOPPED_STATE: Final = "T"
"""Of a process in /proc/PID/stat, proc_pid_stat(5)."""

ASK_TIMEOUT_S: Final = 0.4
"""For all members together. An idle one answers in 2 ms; one that hangs never does."""


def views_of(home: Home, timeout_s: float = ASK_TIMEOUT_S, members: Iterable[str] = MEMBERS) -> dict[str, View]:
    """The view of each member that answers within `timeout_s` seconds."""
    replies = ask_many(home, {member: ("status", {}) for member in members}, timeout_s)
    found: dict[str, View] = {}
    for member, reply in replies.items():
        view = read_view(reply.data) if reply.ok else None
        if view is not None:
            found[member] = view
    return found


def read_view(plain: Any) -> View | None:
    """The view in a plain value; None when the value is no view, as from a member of another version."""
    try:
        return msgspec.convert(plain, View)
    except msgspec.ValidationError:
        return None


def gather(home: Home, specs: dict[str, Kernel] | None = None) -> Gathered:
    """Everything that `compose` needs. `specs`: the kernels, where the caller has read them already."""
    specs = running_kernels(kept_config(home)) if specs is None else specs
    views = views_of(home)
    stored = disk.stored(home, specs)
    slots = stored_slots(home)
    records, head = disk.audit_end(home)
    told = views["self_healing"].kernels if "self_healing" in views else None
    # Who is alive is looked at last: what the others said may have changed while it was gathered.
    here = presences(home)
    facts = disk.run_facts(slots)
    living = _living(stored.identities.values())
    if told is not None:
        living |= _living(identity_of(k.run) for k in told.values() if k.run.pid)
    pids = {fact.run.pid for fact in facts.values() if fact.alive} | {pid for pid, _ in living}
    return Gathered(
        root=home.root,
        version=__version__,
        clocks=Clocks(time.time(), monotonic(), boottime()),
        presences=here,
        views=views,
        usages=_usages(here, pids),
        specs=specs,
        slots=facts,
        stored=stored.kernels,
        living=living,
        frozen=_frozen(pids),
        base=read_base(home),
        unfinished=stored.unfinished,
        recoveries=stored.recoveries,
        code=_code(stored.code, views),
        tasks=stored.tasks,
        approvals=stored.approvals,
        audit_records=records,
        audit_head=head,
        stopping=announced(home),
    )


def _living(identities: Iterable[proc.Identity]) -> frozenset[tuple[int, int]]:
    return frozenset((i.pid, i.start_ticks) for i in identities if proc.alive(i))


def _frozen(pids: Iterable[int]) -> frozenset[int]:
    """Those that a signal (SIGSTOP, SIGTSTP) keeps from running; a debugger's stop is none."""
    stats = (proc.read_stat(pid) for pid in pids)
    return frozenset(stat.pid for stat in stats if stat is not None and stat.state == STOPPED_STATE)


def _usages(here: dict[str, Presence], kernel_pids: set[int]) -> dict[int, Usage]:
    found: dict[int, Usage] = {}
    for pid in {presence.pid for presence in here.values() if presence.pid}:
        usage = proc.usage(pid)
        if usage is not None:
            found[pid] = usage
    for pid in kernel_pids - found.keys():
        usage = proc.usage(pid, pss=False)
        if usage is not None:
            found[pid] = usage
    return found


def _code(code: Code, views: dict[str, View]) -> Code:
    """The counts of the database, with the time of the last scan, which only the coding agent knows."""
    scanned_at = views["coding_agent"].detail.get("scanned_at") if "coding_agent" in views else None
    return Code(code.files, code.broken, scanned_at if isinstance(scanned_at, str) else None)
