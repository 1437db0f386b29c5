"""`graced start`: exit 0, 1 not healthy in time, 78 a mistake in the configuration."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from graced.cli.place import Place, pass_place, place_options
from graced.cli.progress import Bar
from graced.cli.status import print_board
from graced.control import start as starting
from graced.control.drift import drift
from graced.control.errors import EX_FAILED, Mistakes
from graced.control.names import known
from graced.control.people import start_kernels
from graced.control.start import Outcome
from graced.home.environment import for_spawner
from graced.home.kept import kept_config, running_kernels
from graced.home.launch import PYTHON
from graced.home.loaded import note
from graced.home.paths import Home
from graced.home.presence import anyone
from graced.posix import notify
from graced.status.now import status
from graced.status.structs import IDLE, WELL, Status

BE_SPAWNER: Final = (
    "import sys; from graced.members.spawner import main; home, id, fd = sys.argv[1:]; "
    "sys.exit(main(home, fresh=True, foreground=True, role_fd=int(fd), home_id=id))"
)


@click.command("start")
@click.argument("name", nargs=-1)
@click.option("--foreground", is_flag=True, help="stay, and be the spawner")
@click.option("--json", "as_json", is_flag=True, help="print the status as JSON")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], foreground: bool, as_json: bool) -> None:
    """Start everything in the background, and return when all is healthy.

    With NAME: only these kernels and what they depend on; while graced runs, they are started beside the others.
    """
    home = place.home_dir()
    turn = None
    starting.await_stop(home, say)
    if not anyone(home):
        loaded = place.load()
        _warn(loaded)
        turn = starting.prepare(home, loaded.config, name, os.environ, say)
    if turn is None:
        _beside(home, name, foreground, as_json, place.config)
    with contextlib.suppress(OSError):
        note(home, loaded.files)
    if not loaded.files:
        say("there is no graced.yaml here: only graced's own members are started, no kernel; see `graced init`")
    if foreground:
        _become_spawner(home, turn)
    limit_s = starting.in_time_s(loaded.config)
    with Bar("starting") as bar:
        starting.launch(home, turn)
        outcome = starting.await_healthy(home, limit_s, lambda found: _advance(bar, found))
    _finish(outcome, as_json)


def say(text: str) -> None:
    click.echo(f"graced: {text}", err=True)


def _warn(loaded: Any) -> None:
    from graced.config.inert import inert_warnings, refuse_unsafe
    from graced.config.load import ConfigError

    try:
        refuse_unsafe(loaded)
    except ConfigError as error:
        raise Mistakes(error) from None
    for problem in inert_warnings(loaded):
        click.echo(f"warning: {problem}", err=True)


def _beside(home: Home, name: tuple[str, ...], foreground: bool, as_json: bool, given: str | None) -> NoReturn:
    """It runs already."""
    if foreground and notify.outer():  # to a unit, another one that runs is its own or a failure, never a success
        from graced.members.succession import take_over

        sys.exit(take_over(home.root))
    specs = running_kernels(kept_config(home))
    other = drift(home, given)
    names = known(name, specs, (), other) if name else starting.left_behind(home, specs)
    if not as_json:
        click.echo("already running")
        if names:
            click.echo(f"starting {listed(names)}")
    if other:
        say(other)
    with Bar("waiting for the end of the recovery") as bar:
        outcome = starting.await_recovery(home, lambda found: _advance(bar, found))
        late = start_kernels(home, specs, names) if names else []
    if late:
        outcome = Outcome(status(home), f"not ready: {', '.join(late)}")
    elif names:
        outcome = Outcome(status(home), outcome.why)
    _finish(outcome, as_json)


LISTED_MAX: Final = 8


def listed(names: Sequence[str]) -> str:
    """Names for people, cut where there are many."""
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    return ", ".join(names[:LISTED_MAX]) + more


def _finish(outcome: Outcome, as_json: bool) -> NoReturn:
    print_board(outcome.status, as_json)
    if outcome.why:
        say(outcome.why)
        sys.exit(EX_FAILED)
    sys.exit(0)


def _advance(bar: Bar, found: Status) -> None:
    members = [member.state == "healthy" for member in found.members.values()]
    kernels = [kernel.state in WELL for kernel in found.kernels.values() if kernel.state not in IDLE]
    bar.update(sum(members) + sum(kernels), len(members) + len(kernels))


def _become_spawner(home: Home, turn: starting.Turn) -> NoReturn:
    """The same process, with nothing in it but the spawner: every member is forked from it."""
    fd = os.dup(turn.role.fileno())
    os.set_inheritable(fd, True)
    turn.close()
    sys.stdout.flush()
    argv = [*PYTHON, "-c", BE_SPAWNER, home.root, home.id(), str(fd)]
    os.execve(sys.executable, argv, for_spawner(home, os.environ))
