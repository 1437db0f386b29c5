"""`graced restart`: exit 0, 1 not ready again in time, 4 no such name."""

import sys
from collections.abc import Callable

import click

from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.cli.progress import Bar
from graced.control.drift import drift
from graced.control.errors import EX_FAILED, not_running
from graced.control.names import known
from graced.control.people import restart_kernels
from graced.control.renew import restart_member
from graced.home.kept import kept_config, running_kernels
from graced.home.presence import anyone
from graced.spec.roles import MEMBERS


@click.command("restart")
@click.argument("name", nargs=-1, required=True)
@click.option("--rolling", is_flag=True, help="the next one only after this one is ready")
@click.option("--json", "as_json", is_flag=True, help="print what was restarted as JSON")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], rolling: bool, as_json: bool) -> None:
    """Restart kernels, or members, and wait until they are ready again."""
    home = place.home_dir()
    specs = running_kernels(kept_config(home))
    other = drift(home, place.config)
    names = known(name, specs, MEMBERS, other)
    if not anyone(home):
        raise not_running(home.root)
    kernels = [word for word in names if word in specs]
    rounds = [[kernel] for kernel in kernels] if rolling else [kernels] if kernels else []
    failed: list[str] = []
    done: list[str] = []
    with Bar("restarting") as bar:
        for group in rounds:
            failed += restart_kernels(home, specs, group, _counting(bar, len(done), len(names)))
            done += [word for word in group if word not in failed]
            if failed:
                break
        for member in (word for word in names if word not in specs and not failed):
            restart_member(home, member)
            done.append(member)
            bar.update(len(done), len(names))
    if as_json:
        print_json({"restarted": done, "failed": failed})
    else:
        for word in done:
            click.echo(f"restarted {word}")
        for word in failed:
            click.echo(f"graced: {word} is not ready again; `graced why {word}` tells why", err=True)
    if other and kernels:
        click.echo(f"graced: {other}", err=True)
    sys.exit(EX_FAILED if failed else 0)


def _counting(bar: Bar, before: int, total: int) -> Callable[[int], None]:
    return lambda count: bar.update(before + count, total)
