"""`graced audit`: exit 0; `audit verify`: 1 when the chain is broken."""

import sys
from collections.abc import Iterable
from typing import Any

import click
import msgspec

from graced.audit import read
from graced.cli.groups import DefaultGroup
from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.control.anchors import CONFIGURED, told_outside
from graced.control.errors import EX_FAILED


class AuditGroup(DefaultGroup):
    default = "show"


@click.group("audit", cls=AuditGroup)
@place_options
def command() -> None:
    """Read the audit log, oldest first; `audit verify` checks its chain.

    Options of reading: --tail N, --json.
    """


@command.command("show", hidden=True)
@click.option("--tail", type=click.IntRange(0), metavar="N", help="only the last N records")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def show(place: Place, tail: int | None, as_json: bool) -> None:
    """Read the audit log, oldest first."""
    folder = place.home_dir().audit
    found: Iterable[dict[str, Any]] = read.records(folder) if tail is None else read.tail(folder, tail)
    if as_json:
        print_json({"records": list(found)})
        return
    for record in found:
        click.echo(line_of(record))


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option(
    "--anchor",
    is_flag=False,
    flag_value=CONFIGURED,
    metavar="[FILE|journal|SEQ:HASH]",
    help="also check against the heads that were told outside of the home; without a value, where `audit.anchor` of "
    "graced.yaml tells them",
)
@place_options
@pass_place
def verify(place: Place, as_json: bool, anchor: str | None) -> None:
    """Follow the chain of hashes from its first record; name the first that is broken."""
    home = place.home_dir()
    verdict = read.verify(home.audit, [] if anchor is None else told_outside(home, anchor))
    if as_json:
        broken = None if verdict.broken is None else verdict.broken._asdict()
        print_json({**msgspec.to_builtins(verdict), "broken": broken})
        sys.exit(0 if verdict.ok else EX_FAILED)
    for note in verdict.notes:
        click.echo(f"note: {note}")
    if verdict.broken is not None:
        at = verdict.broken
        where = f"{at.file}:{at.line}" if at.line else at.file
        click.echo(f"{click.style('broken', fg='red', bold=True)} at {where} (record {at.seq}): {at.why}")
        click.echo(f"{verdict.records} records before it are whole")
        sys.exit(EX_FAILED)
    click.echo(f"{click.style('ok', fg='green', bold=True)}: {verdict.records} records, head {verdict.head}")


def line_of(record: dict[str, Any]) -> str:
    """One record as one line for people."""
    at = str(record.get("at", ""))[:23].replace("T", " ")
    data = record.get("data")
    told = " ".join(f"{key}={_value(value)}" for key, value in data.items()) if isinstance(data, dict) else ""
    who = f"{record.get('member', '')}[{record.get('pid', '')}]"
    kind = click.style(str(record.get("kind", "")), bold=True)
    return f"{record.get('seq', ''):>6} {at} {who} {kind} {told}".rstrip()


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value and value.isprintable() else repr(value)
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
