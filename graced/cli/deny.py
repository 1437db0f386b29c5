"""`graced deny`; see graced.cli.approvals."""

import click

from graced.cli.approvals import answer
from graced.cli.place import Place, pass_place, place_options


@click.command("deny")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def command(place: Place, id: str, as_json: bool) -> None:
    """Refuse a step that waits for you: it has failed."""
    answer(place, id, False, as_json)
