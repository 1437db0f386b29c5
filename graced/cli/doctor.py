"""`graced doctor`: exit 0 whatever it finds, as graced runs on all of it."""

import tempfile

import click

from graced.cli.out import print_json, width
from graced.cli.place import Place, pass_place, place_options
from graced.cli.root import no_folder


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="print the findings as JSON")
@place_options
@pass_place
def command(place: Place, as_json: bool) -> None:
    """What this machine offers, and what graced does without. Nothing is changed."""
    from graced.control.doctor import examine

    try:
        home = place.home_dir().root
    except FileNotFoundError:
        if not no_folder():
            raise
        home = tempfile.gettempdir()
        click.echo(f"graced: the current folder does not exist any more: looked at {home} instead of a home", err=True)
    findings = examine(home)
    if as_json:
        rows = [{"name": f.name, "ok": f.ok, "found": f.found, "instead": f.instead} for f in findings]
        print_json({"findings": rows})
        return
    wide = max(len(f.name) for f in findings)
    for f in findings:
        mark = click.style("ok", fg="green") if f.ok else click.style("--", fg="yellow")
        click.echo(f"{mark}  {f.name.ljust(wide)}  {f.found}")
        if f.instead:
            text = click.wrap_text(f"instead: {f.instead}", width(), " " * (wide + 6), " " * (wide + 6))
            click.echo(text)
