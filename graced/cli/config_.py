"""`graced config`: exit 0, 78 a mistake, 65 one in a playbook."""

import os

import click

from graced.cli.out import from_here, print_json
from graced.cli.place import Place, pass_place, place_options, unplaced_options
from graced.control.errors import Mistakes


@click.group("config")
@place_options
def command() -> None:
    """Check and show the configuration."""


@command.command("check")
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def check(place: Place, file: str | None, as_json: bool) -> None:
    """Tell every mistake in FILE, or in the file that `start` would load, and in the playbooks it names.

    It looks at this machine as well: are the programs, folders and users there that kernels (your programs) need?
    """
    from graced.config.inert import inert_warnings, refuse_unsafe
    from graced.config.load import ConfigError
    from graced.control.keep import playbooks_of
    from graced.control.machine import machine_problems

    if file is not None:
        place.config = file
    try:
        loaded = place.load()
        playbooks_of(loaded.config)  # `start` loads them too
        try:
            refuse_unsafe(loaded)
            missing = machine_problems(loaded, os.environ)
            if missing:
                raise ConfigError(missing)
        except ConfigError as error:
            raise Mistakes(error) from None
    except Mistakes as error:
        if as_json:
            print_json({"ok": False, "problems": str(error).splitlines(), "warnings": []})
        raise
    warnings = [str(problem) for problem in inert_warnings(loaded)]
    if as_json:
        print_json({"ok": True, "problems": [], "warnings": warnings})
        return
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    count = len(loaded.config.kernels)
    name = from_here(loaded.config.source) if loaded.config.source else "no file: the defaults"
    click.echo(f"{name}: no mistakes, {count} kernel{'' if count == 1 else 's'}")


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="print JSON, as members get it")
@place_options
@pass_place
def show(place: Place, as_json: bool) -> None:
    """The configuration as merged, with where each value comes from."""
    loaded = place.load()
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(loaded.config))
        return
    from graced.cli.out import wrapped
    from graced.config.show import show as shown
    from graced.control.drift import drift
    from graced.home.paths import Home
    from graced.home.presence import anyone

    home = Home(loaded.config.home)
    other = drift(home, place.config) if anyone(home) else ""
    for line in wrapped(f"this is not what runs: {other}", 100, "# ", "# ") if other else ():
        click.echo(line)
    click.echo(shown(loaded), nl=False)


@command.command("schema")
@click.option("--json", is_flag=True, expose_value=False, help="it is JSON in any case")
@unplaced_options
def schema() -> None:
    """JSON Schema of graced.yaml, for editors."""
    from graced.config.show import json_schema

    print_json(json_schema())
