"""`graced demo`: exit 0 when everything recovered."""

import importlib
import sys

import click


@click.command("demo")
def command() -> None:
    """The guided tour, on real processes in a temporary home: each healer dies, both, the watchdog, one hangs, a source
    file breaks; each recovery is shown with its time."""
    sys.exit(importlib.import_module("graced.demo.tour").run())
