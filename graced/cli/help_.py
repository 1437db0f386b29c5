"""`graced help [COMMAND...]`: the same words as `graced COMMAND --help`."""

import click

from graced.cli.place import unplaced_options


@click.command("help")
@click.argument("word", nargs=-1)
@unplaced_options
@click.pass_context
def command(ctx: click.Context, word: tuple[str, ...]) -> None:
    """What a command does: `graced help start`, `graced help playbook run`; without a COMMAND, all of them."""
    top = ctx.parent
    assert top is not None
    top.command.main([*word, "--help"], prog_name="graced", standalone_mode=True)
