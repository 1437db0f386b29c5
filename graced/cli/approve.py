"""`graced approve`; see graced.cli.approvals."""

import click

from graced.cli.approvals import answer
from graced.cli.place import Place, pass_place, place_options


@click.command("approve")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def command(place: Place, id: str, as_json: bool) -> None:
    """Let a step that waits for you begin."""
    answer(place, id, True, as_json)
