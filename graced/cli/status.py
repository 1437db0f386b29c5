"""`graced status`: exit 0 healthy, 1 not, 3 nothing runs; with names: of these."""

import sys
import time
from collections.abc import Sequence
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import EX_FAILED, EX_NOTHING_RUNS, EX_USAGE, Refusal, exit_code
from graced.control.names import expand
from graced.home.kept import kept_config, running_kernels
from graced.home.paths import Home
from graced.home.presence import presence
from graced.spec.config import Kernel
from graced.spec.roles import MEMBERS
from graced.status.now import status
from graced.status.structs import IDLE, WELL, Status

WATCH_S: Final = 1.0
CLEAR: Final = "\033[H\033[2J"
FINE: Final = WELL | IDLE
"""States of one that is as it is meant to be."""


@click.command("status")
@click.argument("name", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print the whole object")
@click.option("-w", "--watch", is_flag=True, help="again every second")
@click.option("--members", is_flag=True, help="show graced's own processes one by one")
@click.option("--pid", "pid_of", metavar="NAME", help="print the pid of this member or kernel, nothing else")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], as_json: bool, watch: bool, members: bool, pid_of: str | None) -> None:
    """What is wrong, then the kernels (your programs): who runs, since when, how the last run ended.

    With NAME: only these kernels and members (globs and @GROUP too); exit 0 when they are well.
    """
    home = place.home_dir()
    specs = running_kernels(kept_config(home))
    if pid_of is not None:
        _print_pid(home, pid_of, specs)
    names = expand(name, specs, MEMBERS)
    while True:
        found = status(home, specs)
        _show(found, names, as_json, watch, members)
        if not watch:
            sys.exit(code_of(found, names))
        time.sleep(WATCH_S)
        specs = running_kernels(kept_config(home))


def code_of(found: Status, names: Sequence[str]) -> int:
    """The exit code; with names another's trouble does not count."""
    if not names or found.mode == "stopped":
        return exit_code(found)
    rows = [found.members.get(name) or found.kernels.get(name) for name in names]
    return 0 if all(row is None or row.state in FINE for row in rows) else EX_FAILED


def _print_pid(home: Home, word: str, specs: dict[str, Kernel]) -> None:
    name, *more = expand([word], specs, MEMBERS)
    if more:
        raise Refusal(f"{word} means {len(more) + 1} kernels: name one of them", EX_USAGE)
    pid = presence(home, name).pid if name in MEMBERS else status(home, specs).kernels[name].pid
    if not pid:
        raise Refusal(f"{name} is not running", EX_NOTHING_RUNS)
    click.echo(str(pid))
    sys.exit(0)


def _show(found: Status, names: list[str], as_json: bool, watch: bool, members: bool = False) -> None:
    if as_json:
        print_json(msgspec.to_builtins(narrowed(found, names)), compact=watch)
        return
    from graced.cli.board import board
    from graced.cli.out import on_terminal, width
    from graced.control.drift import drift
    from graced.control.explain import explain
    from graced.status.disk import trouble_of_store

    broken = [n for n, row in found.kernels.items() if row.state not in FINE and (not names or n in names)]
    home = Home(found.home)
    why = explain(home, broken) if broken else {}
    other = drift(home) if found.mode != "stopped" and not names else ""
    away = trouble_of_store(home) if found.audit.degraded else ""
    notes = [note for note in (other, away) if note]
    text = board(found, width() if on_terminal() else 0, names, why, members, notes)
    click.echo((CLEAR if watch and on_terminal() else "") + text)
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
