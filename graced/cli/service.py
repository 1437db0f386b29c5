"""`graced service install|uninstall`: exit 0, 1 with what stands in the way."""

import click

from graced.cli.place import Place, pass_place, place_options
from graced.control import service


@click.group("service")
@place_options
def command() -> None:
    """The systemd units: installed for the system (as root), or with --user for yourself."""


@command.command("install")
@click.option("--user", "of_user", is_flag=True, help="a service of your own systemd, not of the system's")
@click.option("--strict", is_flag=True, help="with the drop-in that takes away what graced itself does not need")
@click.option("--own-user", is_flag=True, help="with the drop-in that runs it as the user graced, not as root")
@place_options
@pass_place
def install(place: Place, of_user: bool, strict: bool, own_user: bool) -> None:
    """Put the units in place and enable them. Nothing is started.

    With --config and --home the service uses those.
    """
    if of_user and (strict or own_user):
        raise click.UsageError("--strict and --own-user are for the service of the system")
    chosen = [name for name, wanted in (("strict", strict), ("own-user", own_user)) if wanted]
    service.install(service.layout(of_user, place.config, place.home), chosen, click.echo)


@command.command("uninstall")
@click.option("--user", "of_user", is_flag=True, help="the service of your own systemd")
@place_options
@pass_place
def uninstall(place: Place, of_user: bool) -> None:
    """Stop the service and remove its units; configuration and home are kept."""
    service.uninstall(service.usual(of_user), click.echo)  # where units are says no configuration


@command.command("sweep", hidden=True)
@click.option("--user", "of_user", is_flag=True)
@click.option("--home", required=True)
def sweep(of_user: bool, home: str) -> None:
    """Run by graced-sweep.service: end what a stop of graced.service has left."""
    from graced.control.sweep import sweep as do

    raise SystemExit(do(home, of_user))
