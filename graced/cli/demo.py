"""`graced demo`: exit 0 when everything recovered."""

import importlib
import sys

import click

from graced.cli.place import unplaced_options


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="print what recovered, and in what time, as JSON")
@unplaced_options
def command(as_json: bool) -> None:
    """The guided tour, on real processes in a temporary home: each healer dies, both, the watchdog, one hangs, a source
    file breaks; each recovery is shown with its time."""
    sys.exit(importlib.import_module("graced.demo.tour").run(as_json))
