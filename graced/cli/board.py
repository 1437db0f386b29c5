"""The status as people read it: one line that says it all, what is wrong, the kernels, and graced's own members.

Made from `Status` and the explanations of what is broken, so that people and programs are told the same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import click
from msgspec.structs import asdict

from graced.cli.out import Column, lines_of, middle, size, span, wrapped
from graced.control.explain import MEMBER_CAUSES, Explanation
from graced.control.log_notes import local
from graced.status.structs import IDLE, WELL, KernelStatus, MemberStatus, Status

NAME_LEAST: Final = 12

COLOURS: Final = {
    **dict.fromkeys(WELL, "green"),
    **dict.fromkeys(("starting", "restarting", "backoff", "suspect"), "yellow"),
    **dict.fromkeys(("down", "failed", "unhealthy"), "red"),
}
MODE_COLOURS: Final = {
    "healthy": "green",
    "recovering": "yellow",
    **dict.fromkeys(("not healthy", "emergency", "stopped"), "red"),
}

MEMBER_COLUMNS: Final = (
    Column("MEMBER", least=NAME_LEAST), Column("STATE", least=9), Column("PID", right=True, least=7),
    Column("UP", right=True, least=6, rank=2), Column("BEAT", right=True, least=5, rank=4),
    Column("LAG", right=True, least=5, rank=5), Column("MEMORY", right=True, rank=3),
    Column("RESTARTS", right=True, rank=1),
)  # fmt: skip

KERNELS_SHOWN: Final = 30
"""Where nobody asks by name, more are shown only if they are in trouble."""

EXPLAINED: Final = 5
"""Of what is broken, so many are explained in full."""

INDENT: Final = "    "

MEMBER_WORDS: Final = {
    "down": "it is brought back as soon as somebody can",
    "restarting": "it is being brought back",
    "suspect": "it is silent; it is replaced when that goes on",
    "starting": "it has not called itself healthy yet",
}


def headline(found: Status) -> str:
    """Such as `healthy · 20/20 kernels · mutual recovery ready · emergency armed · 0 syntax errors`."""
    kernels = found.kernels.values()
    well = sum(1 for kernel in kernels if kernel.state in WELL)
    meant = sum(1 for kernel in kernels if kernel.state not in IDLE)
    broken = found.code.broken
    word = "healthy" if found.healthy else "not healthy" if found.mode == "normal" else found.mode
    parts = [
        f"{well}/{meant} kernels",
        f"mutual recovery {found.mutual_recovery}",
        f"emergency {found.emergency}",
        f"{broken} syntax error{'' if broken == 1 else 's'}",
    ]
    return " · ".join([click.style(word, fg=MODE_COLOURS[word], bold=True), *parts])


def board(
    found: Status,
    columns: int = 80,
    names: Sequence[str] = (),
    why: Mapping[str, Explanation] | None = None,
    all_members: bool = False,
    notes: Sequence[str] = (),
) -> str:
    """All of it as text. `columns` 0: nothing is cut. `names`: only these members and kernels.

    why: explanations of what is broken; all_members: also those that are well one by one; notes: what else is to be
    known, before the tables.
    """
    members = {name: row for name, row in found.members.items() if not names or name in names}
    kernels = {name: row for name, row in found.kernels.items() if not names or name in names}
    lines = [headline(found), ""]
    stopped = found.mode == "stopped"
    if stopped:
        lines += _stopped(found, columns)
    else:
        lines += _member_troubles(members, columns)
    lines += _troubles(kernels, why or {}, columns)
    for note in notes:
        lines += [*wrapped(note, columns, "", INDENT), ""]
    if kernels:
        most = KERNELS_SHOWN if columns and not names else len(kernels)
        lines += [*_kernel_lines(kernels, columns, most), ""]
    elif not names and not stopped:
        lines += ["no kernels (programs of yours): name them under `kernels:` in graced.yaml", ""]
    if members and not stopped:
        lines += [*_member_lines(members, columns, all_members or bool(names)), ""]
    if not names:
        lines += _footer(found, columns)
    return "\n".join(lines).rstrip("\n")


# --- what is wrong


def _member_troubles(members: dict[str, MemberStatus], wide: int) -> list[str]:
    lines: list[str] = []
    for name, row in members.items():
        if row.state != "healthy":
            lines.append(f"{click.style(name, bold=True)} is {click.style(row.state, fg=COLOURS.get(row.state))}:")
            lines += [part for note in _member_notes(name, row) for part in wrapped(note, wide, INDENT, INDENT)]
    return [*lines, ""] if lines else []


def _troubles(kernels: dict[str, KernelStatus], why: Mapping[str, Explanation], wide: int) -> list[str]:
    broken = [name for name, row in kernels.items() if row.state not in WELL | IDLE]
    lines: list[str] = []
    for name in broken[:EXPLAINED]:
        lines += [*_trouble(name, kernels[name], why.get(name), wide), ""]
    if len(broken) > EXPLAINED:
        lines += [f"and {len(broken) - EXPLAINED} more that are not well: `graced why NAME`", ""]
    return lines


def _trouble(name: str, row: KernelStatus, why: Explanation | None, wide: int) -> list[str]:
    since = f" since {local(why.since)}" if why is not None and why.since else ""
    reason = (why.reason if why is not None else "") or row.reason
    first = f"{click.style(name, bold=True)} is {click.style(row.state, fg=COLOURS.get(row.state))}{since}"
    lines = [first + (":" if reason else "")]
    rung = f" (rung: {row.rung})" if row.rung else ""
    if reason:
        lines += wrapped(reason + rung, wide, INDENT, INDENT)
    if why is not None:
        if why.waits_for:
            lines += wrapped(f"waits for {', '.join(why.waits_for)}", wide, INDENT, INDENT)
        if why.next_try:
            lines += wrapped(f"tried next at {local(why.next_try)}", wide, INDENT, INDENT)
        if why.told and row.state == "failed":
            lines += wrapped(f"told: {why.told}", wide, INDENT, INDENT)
        if why.log:
            lines.append(f"{INDENT}last lines of its log:")
            lines += [f"{INDENT}  {middle(line, wide - len(INDENT) - 2) if wide else line}" for line in why.log]
    return [*lines, *wrapped(f"more: `graced why {name}`", wide, INDENT, INDENT)]


# --- tables


def _kernel_columns() -> tuple[Column, ...]:
    zone = datetime.now().astimezone().tzname() or ""
    return (
        Column("KERNEL", least=NAME_LEAST), Column("STATE", least=9), Column("PID", right=True, least=7, rank=1),
        Column(f"SINCE {zone}".strip()[:12], right=True, rank=4), Column("RESTARTS", right=True, rank=2),
        Column("LAST EXIT", right=True, most=9, rank=3), Column("MEMORY", right=True, rank=5),
        Column("CPU", right=True, least=5, rank=6),
    )  # fmt: skip


def _kernel_lines(kernels: dict[str, KernelStatus], wide: int, most: int) -> list[str]:
    """Trouble first; of the rest no more than fit into `most`."""
    order = sorted(kernels, key=lambda name: kernels[name].state in WELL | IDLE)
    trouble = sum(1 for row in kernels.values() if row.state not in WELL | IDLE)
    shown = order[: max(trouble, most)]
    rows = [_kernel_cells(name, kernels[name]) for name in shown]
    lines = lines_of(_kernel_columns(), rows, [COLOURS.get(row[1]) for row in rows], wide, flexible=0)
    more = len(order) - len(shown)
    return [*lines, f"and {more} more in no trouble: `graced status '*'` shows all"] if more else lines


def _kernel_cells(name: str, row: KernelStatus) -> list[str]:
    mark = f"{name} *" if row.critical else name
    return [
        mark, row.state, str(row.pid or "-"), clock(row.started_at), str(row.restarts), ended(row.exit),
        size(row.rss_bytes), span(row.cpu_s),
    ]  # fmt: skip


def clock(iso: str | None) -> str:
    """A local time: 12:03:04 today, else the day."""
    if iso is None:
        return "-"
    at = datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone()
    now = datetime.now().astimezone()
    if at.date() == now.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%b} {at.day}" if at.year == now.year else f"{at:%Y-%m-%d}"


def ended(exit: dict[str, int] | str | None) -> str:
    """How the last run ended, short."""
    if isinstance(exit, dict):
        return f"signal {exit['signal']}" if exit.get("signal") is not None else f"code {exit.get('code')}"
    return "-" if exit is None else str(exit)


def _member_lines(members: dict[str, MemberStatus], wide: int, every: bool) -> list[str]:
    """One line, unless all are asked for."""
    if every:
        rows = [_member_cells(name, row) for name, row in members.items()]
        return lines_of(MEMBER_COLUMNS, rows, [COLOURS.get(row[1]) for row in rows], wide, flexible=0)
    well = sum(1 for row in members.values() if row.state == "healthy")
    count = f"{well}" if well == len(members) else f"{well} of {len(members)}"
    return wrapped(f"graced itself: {count} members healthy (`graced status --members`)", wide, "", "")


def _member_cells(name: str, row: MemberStatus) -> list[str]:
    memory = row.pss_bytes if row.pss_bytes is not None else row.rss_bytes
    lag = "-" if row.loop_lag_s is None else f"{row.loop_lag_s * 1000:.0f}ms"
    return [
        name, row.state, str(row.pid or "-"), span(row.uptime_s), span(row.heartbeat_age_s), lag,
        size(memory), str(row.restarts),
    ]  # fmt: skip


def _member_notes(name: str, row: MemberStatus) -> list[str]:
    if row.state == "healthy":
        return []
    if row.state == "failed":
        why = row.detail.get("reason", "")
        return [f"its starts do not become healthy: {why}", f"`graced logs {name}` tells more"]
    evidence = MEMBER_CAUSES.get(row.detail.get("evidence", ""), "")
    return ["; ".join(part for part in (evidence, MEMBER_WORDS.get(row.state, "")) if part)]


# --- the rest


def _stopped(found: Status, wide: int) -> list[str]:
    alive = [name for name, row in found.kernels.items() if row.pid]
    home = middle(found.home, max(20, wide - 30)) if wide else found.home
    lines = wrapped(f"graced is not running in {home}; start it with `graced start`", wide, "", "")
    if alive:
        what = f"{len(alive)} kernel{'s run' if len(alive) > 1 else ' runs'} on without it"
        lines += wrapped(f"{what}: `graced start` adopts them, `graced stop` ends them", wide, "", "")
    return [*lines, ""]


def _footer(found: Status, wide: int) -> list[str]:
    counts, tasks, audit = found.recoveries, found.tasks, found.audit
    lines = [f"recovered: {counts.kernel} kernel · {counts.mutual} mutual · {counts.emergency} emergency"]
    asked = " · ".join(f"{count} {state}" for state, count in asdict(tasks).items() if count)
    if asked:
        lines.append(f"tasks: {asked}")
    if found.code.broken:
        lines.append("files that do not compile: see `graced tasks`")
    for lease in found.delegations:
        lines.append(f"{lease.agent} may {', '.join(lease.powers)} until {local(lease.expires_at)}")
    if found.approvals:
        lines.append(f"{found.approvals} wait for your word: `graced approvals`")
    if audit.degraded:
        lines.append(
            "the audit log or state.db cannot be written: make room, or mend the file; until then all waits in memory"
        )
    folded = [part for line in lines for part in wrapped(line, wide, "", "  ")]
    if any(row.critical for row in found.kernels.values()):
        folded.append(click.style("* critical: watched by trigger as well", dim=True))
    return folded
