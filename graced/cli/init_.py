"""`graced init`: exit 0, 1 something is there already."""

import os

import click

from graced.cli.out import print_json
from graced.cli.place import unplaced_options
from graced.control.errors import Refusal


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".")
@click.option("--json", "as_json", is_flag=True, help="print the files written as JSON")
@unplaced_options
def command(folder: str, as_json: bool) -> None:
    """Write a commented graced.yaml and two small kernels (programs to keep running) to try. Overwrites nothing."""
    from graced.config.template import write_template

    try:
        written = write_template(folder)
    except FileExistsError as error:
        raise Refusal(f"{error.filename} exists already; nothing was written") from None
    if as_json:
        print_json({"written": [os.path.abspath(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {os.path.relpath(path)}")
    inside = "" if os.path.samefile(folder, ".") else f"cd {folder} && "
    click.echo(f"next: {inside}graced start")
