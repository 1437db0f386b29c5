"""`graced approvals`, `graced approve`, `graced deny`: exit 0, 4 no such id."""

from typing import Any, Final

import click

from graced.cli.out import Column, lines_of, print_json, span, width
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import Refusal, not_running, unknown
from graced.control.people import insist
from graced.home.paths import Home
from graced.home.presence import anyone
from graced.posix.clock import monotonic
from graced.status.approvals import OpenApproval, open_approvals
from graced.status.disk import reader
from graced.store.tables import open_runs

COLUMNS: Final = (
    Column("ID"), Column("PLAYBOOK", most=32), Column("STEP", most=32), Column("TARGET", most=32),
    Column("LEFT", right=True), Column("ELSE"), Column("WHAT", most=200),
)  # fmt: skip


@click.command("approvals")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def command(place: Place, as_json: bool) -> None:
    """What waits for your word: steps of playbooks that ask first, and what happens without an answer."""
    rows = [_plain(each) for each in _open(place.home_dir())]
    if as_json:
        print_json({"approvals": rows})
    elif rows:
        cells = [
            [r["id"], r["playbook"], r["step"], r["target"] or "-", span(r["expires_in_s"]), r["otherwise"], r["ask"]]
            for r in rows
        ]
        click.echo("\n".join(lines_of(COLUMNS, cells, wide=width())))
    else:
        click.echo("nothing waits for you")


def answer(place: Place, id: str, approve: bool, as_json: bool) -> None:
    """Give a person's answer to the member that waits for it."""
    home = place.home_dir()
    found = {each.approval.id: each for each in _open(home)}
    if id not in found:
        raise unknown("approval", id, found)
    if not anyone(home):
        raise not_running(home.root)
    data = insist(home, found[id].executor, "approve", {"id": id, "approve": approve, "by": "a person"})
    if as_json:
        print_json({**data, "approved": approve})
    else:
        each, word = found[id], "approved" if approve else "denied"
        click.echo(f"{word}: {each.approval.step} of {each.playbook}")


def _plain(each: OpenApproval) -> dict[str, Any]:
    approval = each.approval
    return {
        "id": approval.id, "playbook": each.playbook, "run": each.run, "step": approval.step, "target": each.target,
        "incident": each.incident, "ask": approval.ask, "otherwise": approval.otherwise,
        "expires_in_s": max(0.0, round(approval.until - monotonic(), 1)),
    }  # fmt: skip


def _open(home: Home) -> list[OpenApproval]:
    store = reader(home)
    try:
        found = open_approvals(open_runs(store))
        if store.degraded:
            raise Refusal(store.trouble)
        return found
    finally:
        store.close()
