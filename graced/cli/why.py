"""`graced why`: exit 0, 4 no such name."""

import click
import msgspec

from graced.cli.out import on_terminal, print_json, width, wrapped
from graced.cli.place import Place, pass_place, place_options
from graced.control.explain import Explanation, explain
from graced.control.log_notes import local
from graced.control.names import expand
from graced.home.kept import kept_config, running_kernels
from graced.spec.roles import MEMBERS


@click.command("why")
@click.argument("name", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def command(place: Place, name: tuple[str, ...], as_json: bool) -> None:
    """Why a kernel (a program of yours) or a member is as it is, when it is tried next, what would change it."""
    home = place.home_dir()
    names = expand(name, running_kernels(kept_config(home)), MEMBERS)
    found = explain(home, names)
    if as_json:
        print_json({"why": [msgspec.to_builtins(found[word]) for word in names if word in found]})
        return
    wide = width() if on_terminal() else 0
    click.echo("\n\n".join("\n".join(lines_about(found[word], wide)) for word in names if word in found))


def lines_about(why: Explanation, wide: int) -> list[str]:
    """As text; `wide` 0: nothing is wrapped."""
    since = f" since {local(why.since)}" if why.since else ""
    lines = [f"{why.name} is {why.state}{since}"]
    rows = [
        ("because", why.reason),
        ("last exit", _exit(why.exit)),
        ("waits for", ", ".join(why.waits_for)),
        ("at rung", why.rung or ""),
        ("tried next", local(why.next_try) if why.next_try else ""),
        ("told", why.told),
        ("incident", why.incident or ""),
    ]
    for title, text in rows:
        if text:
            lines += wrapped(text, wide, f"  {title:<11}", " " * 13)
    if why.log:
        lines += ["  last lines of its log:", *(f"    {line}" for line in why.log)]
    for each in why.commands:
        words, _, does = each.partition(": ")
        lines.append(f"  to change it  {words}" + (f"   ({does})" if does else ""))
    return lines


def _exit(exit: dict[str, int] | str | None) -> str:
    from graced.cli.board import ended

    return "" if exit is None else ended(exit)
