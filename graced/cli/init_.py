"""`graced init`: exit 0, 1 something is there already."""

import os

import click

from graced.control.errors import Refusal


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".")
def command(folder: str) -> None:
    """Write a commented graced.yaml and two small kernels to try. Nothing is ever overwritten."""
    from graced.config.template import write_template

    try:
        written = write_template(folder)
    except FileExistsError as error:
        raise Refusal(f"{error.filename} exists already; nothing was written") from None
    for path in written:
        click.echo(f"wrote {os.path.relpath(path)}")
    inside = "" if os.path.samefile(folder, ".") else f"cd {folder} && "
    click.echo(f"next: {inside}graced start")
