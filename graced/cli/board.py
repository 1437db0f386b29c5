"""The status table: one line that says it all, then who is how, and for what is not well why and what to do.

Made from `Status` alone, so that people and programs are told the same.
"""

from collections.abc import Sequence
from typing import Final

import click
from msgspec.structs import asdict

from graced.cli.out import Column, clip, lines_of, size, span
from graced.status.structs import IDLE, WELL, KernelStatus, MemberStatus, Status

NAME_LEAST: Final = 14
"""So that the columns of both tables stand in line."""

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
    Column("MEMBER", least=NAME_LEAST), Column("STATE", least=10), Column("PID", right=True, least=7),
    Column("UP", right=True, least=6), Column("BEAT", right=True, least=5), Column("LAG", right=True, least=5),
    Column("MEMORY", right=True), Column("RESTARTS", right=True),
)  # fmt: skip
KERNEL_COLUMNS: Final = (
    Column("KERNEL", least=NAME_LEAST), Column("STATE", least=10), Column("PID", right=True, least=7),
    Column("UP", right=True, least=6), Column("RUN", right=True), Column("EXIT", right=True, most=9),
    Column("MEMORY", right=True), Column("RESTARTS", right=True),
)  # fmt: skip

KERNELS_SHOWN: Final = 30
"""Where nobody asks by name, more are shown only if they are in trouble."""

INDENT: Final = "    "

MEMBER_WORDS: Final = {
    "down": "it is brought back as soon as somebody can",
    "restarting": "it is being brought back",
    "suspect": "it is silent; it is replaced when that goes on",
    "starting": "it has not called itself healthy yet",
}
EVIDENCE_WORDS: Final = {
    "exit": "its process has ended",
    "zombie": "its process has ended",
    "stopped": "its process is stopped by a signal",
    "heartbeat": "no heartbeat of it is heard",
    "never": "it was never started",
}
KERNEL_ADVICE: Final = {
    "failed": "`graced logs {name}` tells more; mend it, then `graced restart {name}`",
    "unhealthy": "`graced logs {name}` tells more",
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


def board(found: Status, columns: int = 80, names: Sequence[str] = ()) -> str:
    """All of it as text. `names`: only these members and kernels."""
    members = {name: row for name, row in found.members.items() if not names or name in names}
    kernels = {name: row for name, row in found.kernels.items() if not names or name in names}
    lines = [headline(found), ""]
    if found.mode == "stopped":
        lines += _stopped(found, columns)
    elif members:
        lines += _table(MEMBER_COLUMNS, {name: _member_cells(name, row) for name, row in members.items()},
                        {name: _member_notes(name, row) for name, row in members.items()}, columns)  # fmt: skip
        lines.append("")
    if kernels:
        lines += [*_kernel_lines(kernels, columns, KERNELS_SHOWN if not names else len(kernels)), ""]
    if not names:
        lines += _footer(found, columns)
    return "\n".join(lines).rstrip("\n")


def _table(columns: Sequence[Column], cells: dict[str, list[str]], notes: dict[str, list[str]], wide: int) -> list[str]:
    rows = list(cells.values())
    colours = [COLOURS.get(row[1]) for row in rows]
    title, *body = lines_of(columns, rows, colours, wide, flexible=0)
    lines = [title]
    for name, line in zip(cells, body, strict=True):
        lines.append(line)
        lines += [INDENT + click.style(clip(note, wide - len(INDENT)), dim=True) for note in notes[name]]
    return lines


def _kernel_lines(kernels: dict[str, KernelStatus], wide: int, most: int) -> list[str]:
    """Trouble first; of the rest no more than fit into `most`."""
    order = sorted(kernels, key=lambda name: kernels[name].state in WELL | IDLE)
    trouble = sum(1 for row in kernels.values() if row.state not in WELL | IDLE)
    shown = order[: max(trouble, most)]
    cells = {name: _kernel_cells(name, kernels[name]) for name in shown}
    lines = _table(KERNEL_COLUMNS, cells, {name: _kernel_notes(name, kernels[name]) for name in shown}, wide)
    more = len(order) - len(shown)
    return [*lines, f"and {more} more in no trouble: `graced status '*'` shows all"] if more else lines


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
    evidence = EVIDENCE_WORDS.get(row.detail.get("evidence", ""), "")
    return ["; ".join(part for part in (evidence, MEMBER_WORDS.get(row.state, "")) if part)]


def _kernel_cells(name: str, row: KernelStatus) -> list[str]:
    mark = f"{name} *" if row.critical else name
    return [
        mark, row.state, str(row.pid or "-"), span(row.uptime_s), str(row.run), ended(row.exit),
        size(row.rss_bytes), str(row.restarts),
    ]  # fmt: skip


def ended(exit: dict[str, int] | str | None) -> str:
    """How the last run ended, short."""
    if isinstance(exit, dict):
        return f"signal {exit['signal']}" if exit.get("signal") is not None else f"code {exit.get('code')}"
    return "-" if exit is None else str(exit)


def _kernel_notes(name: str, row: KernelStatus) -> list[str]:
    if row.state in WELL | IDLE:
        return []
    rung = f" (rung: {row.rung})" if row.rung else ""
    notes = [row.reason + rung] if row.reason else []
    advice = KERNEL_ADVICE.get(row.state)
    return [*notes, advice.format(name=name)] if advice else notes


def _stopped(found: Status, wide: int) -> list[str]:
    alive = [name for name, row in found.kernels.items() if row.pid]
    lines = [clip(f"graced is not running in {found.home}; start it with `graced start`", max(wide, 200))]
    if alive:
        what = f"{len(alive)} kernel{'s run' if len(alive) > 1 else ' runs'} on without it"
        lines.append(f"{what}: `graced start` adopts them, `graced stop` ends them")
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
        lines.append(clip(f"{lease.agent} may {', '.join(lease.powers)} until {lease.expires_at}", wide))
    if found.approvals:
        lines.append(f"{found.approvals} wait for your word: `graced approvals`")
    if audit.degraded:
        lines.append("the audit log cannot be written: make room on the disk of the home; records wait in memory")
    if any(row.critical for row in found.kernels.values()):
        lines.append(click.style("* critical: watched by trigger as well", dim=True))
    return lines
