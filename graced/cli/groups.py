"""A group of commands with one that is meant when none is named: `graced audit --tail 5`, `graced tasks 3f`."""

from typing import Final

import click

HELP: Final = ("-h", "--help")
HELP_CHARS: Final = 120
OPTIONS: Final = ("--home", "--config")


class DefaultGroup(click.Group):
    """`default`: the subcommand that takes whatever names no other one; the group's own --help stays its own."""

    default: str = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = _behind_options(args)
        if at >= len(args) or not (args[at] in self.commands or args[at] in HELP):
            args = [*args[:at], self.default, *args[at:]]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, found.get_short_help_str(HELP_CHARS)) for name, found in self.commands.items() if not found.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _behind_options(args: list[str]) -> int:
    """Where the first word stands that is none of the group's own options."""
    at = 0
    while at < len(args) and args[at].partition("=")[0] in OPTIONS:
        at += 1 if "=" in args[at] else 2
    return min(at, len(args))
