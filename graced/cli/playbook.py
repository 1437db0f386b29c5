"""`graced playbook`: exit 0, 1 a step failed, 4 no such playbook, 65 an invalid one."""

import sys
from typing import Any, Final

import click

from graced.cli.out import Column, lines_of, print_json, width
from graced.cli.place import Place, pass_place, place_options, unplaced_options
from graced.control.errors import EX_DATAERR, EX_FAILED, EX_USAGE, Mistakes, Refusal, not_running, unknown
from graced.spec.config import Config
from graced.spec.playbook import Playbook
from graced.spec.roles import MEMBERS, MUTUAL_PLAYBOOK
from graced.store.text import is_valid
from graced.yaml_source.units import format_duration


@click.group("playbook")
@place_options
def command() -> None:
    """List, show, validate and run playbooks."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def listed(place: Place, as_json: bool) -> None:
    """All playbooks: shipped ones, and those in the folders of `playbooks`."""
    found = _all(place.load().config)
    if as_json:
        rows = [
            {
                "name": p.name,
                "description": p.description,
                "slo_s": p.slo_s,
                "on": [trigger.name for trigger in p.on],
                "file": p.file,
            }
            for p in found.values()
        ]
        print_json({"playbooks": rows})
        return
    cells = [[p.name, format_duration(p.slo_s), str(len(p.steps)), p.description] for p in found.values()]
    click.echo("\n".join(lines_of(COLUMNS, cells, wide=width())))


@command.command("schema")
@click.option("--json", is_flag=True, expose_value=False, help="it is JSON in any case")
@unplaced_options
def schema() -> None:
    """JSON Schema of a playbook file, for editors."""
    from graced.playbooks.actions import all_actions
    from graced.playbooks.load import json_schema

    print_json(json_schema(all_actions()))


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def show(place: Place, name: str, as_json: bool) -> None:
    """A playbook's file, as it is written."""
    playbook = _one(_all(place.load().config), name)
    if as_json:
        print_json(_plain(playbook))
        return
    with open(playbook.file, encoding="utf-8", errors="replace") as file:
        click.echo(f"# {playbook.file}\n{file.read()}", nl=False)


@command.command("validate")
@click.argument("file", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@unplaced_options
def validate(file: tuple[str, ...], as_json: bool) -> None:
    """Check playbook files; mistakes are told as FILE:LINE:COLUMN: message."""
    from graced.playbooks.actions import all_actions
    from graced.playbooks.load import PlaybookError, load_file

    known = all_actions()
    mistakes: dict[str, list[str]] = {}
    for path in file:
        try:
            load_file(path, known)
            mistakes[path] = []
        except PlaybookError as error:
            mistakes[path] = [str(problem) for problem in error.problems]
    wrong = any(mistakes.values())
    if as_json:
        print_json({"files": [{"path": path, "ok": not lines, "problems": lines} for path, lines in mistakes.items()]})
    for path, lines in mistakes.items():
        for line in lines:
            click.echo(line, err=True)
        if not lines and not as_json:
            click.echo(f"{path}: no mistakes")
    sys.exit(EX_DATAERR if wrong else 0)


@command.command("run")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="print the steps, do nothing")
@click.option("-e", "extra", multiple=True, metavar="KEY=VALUE", help="set a variable; may be given again")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def run(place: Place, name: str, dry_run: bool, extra: tuple[str, ...], as_json: bool) -> None:
    """Run a playbook; exit 1 when a step fails."""
    from graced.control.playbook import dry_steps, run_playbook
    from graced.home.presence import anyone

    home = place.home_dir()
    playbook = _one(_all(place.load().config), name)
    variables = _variables(playbook, extra)
    _check_target(playbook, variables)
    for word in extra:
        if not is_valid(word):  # a message holds Unicode only
            raise Refusal(f"-e {word!a} is not UTF-8", EX_USAGE)
    if dry_run:
        rows = dry_steps(playbook, variables)
        if as_json:
            print_json({"playbook": playbook.name, "steps": rows})
        else:
            click.echo("\n".join(_dry_line(number, row) for number, row in enumerate(rows, 1)))
        return
    if not anyone(home):
        raise not_running(home.root)
    tell = (lambda step: None) if as_json else (lambda step: click.echo(_step_line(step)))
    given = {word.partition("=")[0] for word in extra}  # the rest are the defaults of those who run it
    result = run_playbook(home, playbook, {name: variables[name] for name in given}, tell)
    if as_json:
        print_json(result)
    else:
        word = click.style("ok", fg="green") if result["ok"] else click.style("failed", fg="red")
        click.echo(f"{playbook.name}: {word}" + (f": {result['text']}" if result["text"] else ""))
    sys.exit(0 if result["ok"] else EX_FAILED)


# --- what they share

COLUMNS: Final = (
    Column("PLAYBOOK", most=32), Column("SLO", right=True), Column("STEPS", right=True), Column("WHAT", most=200),
)  # fmt: skip
STEP_COLOURS: Final = {"ok": "green", "failed": "red", "skipped": None}


def _all(config: Config) -> dict[str, Playbook]:
    from graced.playbooks.actions import all_actions
    from graced.playbooks.load import PlaybookError, load_all

    try:
        return load_all(config.playbooks, all_actions())
    except PlaybookError as error:
        raise Mistakes(error, EX_DATAERR) from None


def _one(found: dict[str, Playbook], name: str) -> Playbook:
    if name not in found:
        raise unknown("playbook", name, found)
    return found[name]


def _variables(playbook: Playbook, extra: tuple[str, ...]) -> dict[str, Any]:
    """The defaults with what -e says over them; values are YAML, so that numbers are numbers."""
    import yaml

    values = dict(playbook.vars)
    for word in extra:
        key, equals, text = word.partition("=")
        if not equals:
            raise Refusal(f"-e takes KEY=VALUE, not {word!r}", EX_USAGE)
        if key not in values:
            hint = f"it has {', '.join(values)}" if values else "it has none"
            raise Refusal(f"{playbook.name} has no variable {key!r}; {hint}", EX_USAGE)
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            values[key] = text
    return values


def _check_target(playbook: Playbook, values: dict[str, Any]) -> None:
    """What brings members back is told which: another name is an unknown one, as everywhere."""
    target = values.get("target")
    if playbook.name == MUTUAL_PLAYBOOK and target is not None and target not in MEMBERS:
        raise unknown("member", str(target), MEMBERS)


def _plain(playbook: Playbook) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(playbook)
    for step in plain["steps"]:
        step["with"] = step.pop("with_")
    return plain


def _dry_line(number: int, row: dict[str, Any]) -> str:
    given = ", ".join(f"{key}={value!r}" for key, value in row["with"].items())
    line = f"{number:>2}. {row['name']}: {row['uses']}({given})"
    notes = [f"{key}: {row[key]}" for key in ("when", "until", "power") if row[key] is not None]
    if row["parallel"]:
        notes.append("together with the step before")
    if row["retries"] > 1:
        notes.append(f"{row['retries']} tries")
    if row["on_failure"] != "stop":
        notes.append(f"on failure: {row['on_failure']}")
    if row["approve"]:
        notes.append("a person is asked first")
    return line + (f"  [{'; '.join(notes)}]" if notes else "")


def _step_line(step: dict[str, Any]) -> str:
    state = click.style(f"{step['state']:<8}", fg=STEP_COLOURS.get(step["state"]))
    return f"{state}{step['step']}" + (f": {step['text']}" if step["text"] else "")
