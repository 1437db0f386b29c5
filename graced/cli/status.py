"""`graced status`: exit 0 healthy, 1 not, 3 nothing runs."""

import sys
import time
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import exit_code
from graced.control.names import expand
from graced.home.kept import kept_config, running_kernels
from graced.spec.roles import MEMBERS
from graced.status.now import status
from graced.status.structs import Status

WATCH_S: Final = 1.0
CLEAR: Final = "\033[H\033[2J"


@click.command("status")
@click.argument("name", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print the whole object")
@click.option("-w", "--watch", is_flag=True, help="again every second")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], as_json: bool, watch: bool) -> None:
    """Who is alive, what is being healed. With NAME: only these members and kernels (globs and @GROUP too)."""
    home = place.home_dir()
    specs = running_kernels(kept_config(home))
    names = expand(name, specs, MEMBERS)
    while True:
        found = status(home, specs)
        _show(found, names, as_json, watch)
        if not watch:
            sys.exit(exit_code(found))
        time.sleep(WATCH_S)
        specs = running_kernels(kept_config(home))


def _show(found: Status, names: list[str], as_json: bool, watch: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(narrowed(found, names)), compact=watch)
        return
    from graced.cli.board import board
    from graced.cli.out import on_terminal, width

    click.echo((CLEAR if watch and on_terminal() else "") + board(found, width(), names))
    if watch and not on_terminal():
        click.echo()


def narrowed(found: Status, names: list[str]) -> Status:
    """The same with only these members and kernels in it; all of it without names."""
    if not names:
        return found
    members = {name: member for name, member in found.members.items() if name in names}
    return replace(found, members=members, kernels={n: kernel for n, kernel in found.kernels.items() if n in names})


def print_board(found: Status, as_json: bool = False) -> None:
    """Prints the status as `start` ends with it."""
    _show(found, [], as_json, watch=False)
