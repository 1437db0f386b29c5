"""`graced incidents`: exit 0, 4 no such id."""

from typing import Any, Final

import click
import msgspec

from graced.cli.out import Column, clip, lines_of, print_json, span, width
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import Refusal, unknown
from graced.home.paths import Home
from graced.status.disk import reader
from graced.store.tables import Incident, incidents
from graced.store.text import is_valid

COLUMNS: Final = (
    Column("AT", least=19), Column("STATE", least=9), Column("SUBJECT", most=20), Column("TIER", right=True),
    Column("TOOK", right=True), Column("ID", most=28),
)  # fmt: skip
COLOURS: Final = {"open": "yellow", "recovered": "green", "escalated": "red"}
STEP_INDENT: Final = 18
TIERS: Final = {1: "mutual", 2: "watchdog", 3: "emergency"}


@click.command("incidents")
@click.argument("id", required=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option("--markdown", is_flag=True, help="print Markdown, as for a ticket")
@place_options
@pass_place
def command(place: Place, id: str | None, as_json: bool, markdown: bool) -> None:
    """Each failure: what, how it was found, which tier, what was done, how long it took. With ID: just that one."""
    found = _read(place.home_dir(), id)
    if as_json:
        print_json({"incidents": [msgspec.to_builtins(incident) for incident in found]})
    elif markdown:
        click.echo("\n\n".join(as_markdown(incident) for incident in found) or "No incidents.")
    elif id is not None:
        click.echo(as_text(found[0]))
    elif found:
        click.echo("\n".join(_table(found)))
    else:
        click.echo("no incidents")


def _read(home: Home, id: str | None) -> list[Incident]:
    store = reader(home)
    try:
        found = incidents(store, id) if id is None or is_valid(id) else []
        if id is not None and not found:
            raise unknown("incident", id, [incident.id for incident in incidents(store)])
        if store.degraded:
            raise Refusal(store.trouble)
        return found
    finally:
        store.close()


def _table(found: list[Incident]) -> list[str]:
    rows = [[_at(i.at), i.state, i.subject, str(i.tier or "-"), span(i.duration_s), i.id] for i in found]
    return lines_of(COLUMNS, rows, [COLOURS.get(i.state) for i in found], width())


def _at(iso: str) -> str:
    """2026-01-01 00:00:00 (UTC)."""
    return iso[:19].replace("T", " ")


def as_text(incident: Incident) -> str:
    """One incident with its steps, for a terminal."""
    lines = [
        f"{incident.id}: {incident.subject} ({incident.kind})",
        f"found     {_at(incident.at)} UTC by {incident.evidence or 'nobody knows'}",
        f"tier      {_tier(incident)}",
        f"state     {click.style(incident.state, fg=COLOURS.get(incident.state))}" + _took(incident),
        "",
    ]
    for step in incident.steps:
        mark = click.style("ok  ", fg="green") if step.ok else click.style("FAIL", fg="red")
        told = f"{step.step}: {step.text}" if step.text else step.step
        lines.append(f"{step.at[11:23]} {mark} {clip(told, width() - STEP_INDENT)}")
    return "\n".join(lines if incident.steps else [*lines, "no steps were taken"])


def as_markdown(incident: Incident) -> str:
    """One incident as a section: facts, then a table of the steps."""
    facts: list[tuple[str, Any]] = [
        ("Subject", f"{incident.subject} ({incident.kind})"),
        ("Found", f"{_at(incident.at)} UTC"),
        ("Evidence", incident.evidence),
        ("Tier", _tier(incident)),
        ("State", incident.state),
        ("Time to recover", "-" if incident.duration_s is None else f"{incident.duration_s:.3f} s"),
    ]
    lines = [f"## {_cell(incident.id)}", "", *(f"- **{name}:** {_cell(str(value))}" for name, value in facts)]
    if incident.steps:
        lines += ["", "| At | Step | Result | Text |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {step.at} | {_cell(step.step)} | {'ok' if step.ok else 'failed'} | {_cell(step.text)} |"
            for step in incident.steps
        ]
    return "\n".join(lines)


def _tier(incident: Incident) -> str:
    if incident.tier is None:
        return "-"
    name = TIERS.get(incident.tier, "") if incident.kind == "member" else ""
    return f"{incident.tier} ({name})" if name else str(incident.tier)


def _took(incident: Incident) -> str:
    return "" if incident.duration_s is None else f" after {incident.duration_s:.3f} s"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
