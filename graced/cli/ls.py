"""`graced ls`: exit 0, also when there is none."""

import pwd
from typing import Final

import click

from graced.cli.out import Column, lines_of, print_json
from graced.cli.place import unplaced_options
from graced.home.neighbours import Running, running
from graced.spec.roles import MEMBERS

COLUMNS: Final = (
    Column("PID", right=True, least=7), Column("MEMBERS", right=True), Column("USER"), Column("HOME", most=4096),
)  # fmt: skip


@click.command("ls")
@click.option("--json", "as_json", is_flag=True, help="print them as JSON")
@unplaced_options
def command(as_json: bool) -> None:
    """The homes that run on this machine: the pid of each spawner, how many of its members are alive, whose it is.

    Processes of other users are in it as far as this machine shows them.
    """
    found = running()
    if as_json:
        print_json({"homes": [_plain(one) for one in found]})
    elif not found:
        click.echo("no graced runs here, as far as one may see")
    else:
        rows = [
            [str(one.pid or "-"), f"{len(one.members)}/{len(MEMBERS)}", _user(one.uid), _place(one)] for one in found
        ]
        click.echo("\n".join(lines_of(COLUMNS, rows)))


def _plain(one: Running) -> dict[str, object]:
    return {
        "home": one.home,
        "pid": one.pid or None,
        "members": list(one.members),
        "user": _user(one.uid),
        "elsewhere": one.elsewhere,
    }


def _place(one: Running) -> str:
    return f"{one.home} (in a container)" if one.elsewhere else one.home


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
