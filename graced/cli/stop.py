"""`graced stop`: exit 0, 3 nothing was running, 4 no such name."""

import contextlib
import sys

import click

from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.cli.progress import Bar
from graced.control.errors import EX_NOTHING_RUNS, Refusal, not_running
from graced.control.explain import foreign
from graced.control.names import expand
from graced.home.kept import kept_config, running_kernels
from graced.home.paths import Home
from graced.posix.clock import monotonic
from graced.spec.config import Kernel
from graced.status.now import status


@click.command("stop")
@click.argument("name", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print what was stopped as JSON")
@click.option("--beside", type=int, hidden=True, help="pid of a spawner that waits for the end of this stop")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], as_json: bool, beside: int | None) -> None:
    """Stop everything; nothing of graced or its kernels is left running. With NAME: only these kernels, until a person
    starts them again."""
    home = place.home_dir()
    if name or beside:
        sys.exit(_stop(home, name, as_json, beside))
    from graced.control.inside import carry_out, is_inside

    sys.exit(carry_out(home, lambda: _from_inside(home, as_json)) if is_inside(home) else _stop(home, name, as_json))


def _from_inside(home: Home, as_json: bool) -> int:
    """In a process of its own; who waits for its words may be dead at the end of it."""
    try:
        code = _stop(home, (), as_json)
        sys.stdout.flush()
        return code
    except Refusal as error:
        from graced.cli.root import tell

        with contextlib.suppress(OSError):
            tell(error)
        return error.code


def _stop(home: Home, name: tuple[str, ...], as_json: bool, beside: int | None = None) -> int:
    """The exit code."""
    began = monotonic()
    kernels, members = _stop_named(home, name) if name else _stop_all(home, beside)
    took_s = monotonic() - began
    code = 0 if kernels or members else EX_NOTHING_RUNS
    with contextlib.suppress(BrokenPipeError):  # done is done, whoever reads of it
        _tell(kernels, members, took_s, as_json)
    return code


def _tell(kernels: list[str], members: list[str], took_s: float, as_json: bool) -> None:
    if as_json:
        print_json({"kernels": kernels, "members": members, "duration_s": round(took_s, 3)})
    elif kernels or members:
        click.echo(f"stopped {_listed(kernels, members)} in {took_s:.1f} s")
    else:
        click.echo("nothing was running")


def _stop_all(home: Home, beside: int | None) -> tuple[list[str], list[str]]:
    from graced.control.stop import stop_all
    from graced.posix import proc

    waits = proc.identify(beside) if beside else None
    with Bar("stopping") as bar:
        stopped = stop_all(home, lambda done, total, what: bar.update(done, total, f"stopping {what}"), waits)
    return stopped.kernels, stopped.members


def _stop_named(home: Home, name: tuple[str, ...]) -> tuple[list[str], list[str]]:
    from graced.control.people import stop_kernels
    from graced.home.presence import anyone

    specs = running_kernels(kept_config(home))
    names = expand(name, specs)
    if not anyone(home):
        raise not_running(home.root)
    warnings: list[str] = []
    with Bar("stopping") as bar:
        ran, left = stop_kernels(home, specs, names, lambda done: bar.update(done, len(names)), warnings.append)
    for text in warnings:
        click.echo(f"warning: {text}", err=True)
    if left:
        raise Refusal("; ".join([f"not stopped in time: {', '.join(left)}", *_barred(home, specs, left)]))
    return ran, []


def _barred(home: Home, specs: dict[str, Kernel], names: list[str]) -> list[str]:
    """Of those whose processes are another user's, as `sudo` makes them: what can be done."""
    rows = status(home, specs).kernels
    return [text for name in names if (text := foreign(rows[name].pid or 0 if name in rows else 0))]


def _listed(kernels: list[str], members: list[str]) -> str:
    parts = []
    if kernels:
        shown = ", ".join(kernels[:8]) + (", …" if len(kernels) > 8 else "")
        parts.append(f"{len(kernels)} kernel{'s' if len(kernels) > 1 else ''} ({shown})")
    if members:
        parts.append(f"{len(members)} member{'s' if len(members) > 1 else ''}")
    return " and ".join(parts)
