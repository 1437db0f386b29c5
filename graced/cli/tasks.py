"""`graced tasks`: exit 0, 4 no such id, 1 the file has changed since."""

import os
from typing import Any, Final

import click
import msgspec

from graced.cli.groups import DefaultGroup
from graced.cli.out import Column, folder_prefix, lines_of, print_diff, print_json, width
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import EX_USAGE, Refusal, not_running, unknown
from graced.control.people import insist
from graced.home.paths import Home
from graced.home.presence import anyone
from graced.mending.walk import is_python
from graced.status.disk import reader
from graced.store.tables import TaskRecord, get_task, tasks
from graced.store.text import is_valid, path_in

COLOURS: Final = {"done": "green", "failed": "red", "running": "yellow", "queued": "yellow", "suggested": "yellow"}
COLUMNS: Final = (Column("ID", most=14), Column("STATE", least=9), Column("CREATED", least=19))
DIFF_MAX_BYTES: Final = 1024 * 1024
LISTED: Final = ("id", "path", "state", "error", "created_at", "finished_at")


@click.group("tasks", cls=DefaultGroup)
@place_options
def command() -> None:
    """The coding agent's queue: `graced tasks`, or `graced tasks ID`; --json for JSON."""


@command.command("list", hidden=True)
@click.argument("id", required=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def listed(place: Place, id: str | None, as_json: bool) -> None:
    """All tasks but those that a newer one of the same file replaced. With ID: that one."""
    home = place.home_dir()
    found = [_task(home, id)] if id is not None else _tasks(home)
    plain = [{key: value for key, value in msgspec.to_builtins(task).items() if key in LISTED} for task in found]
    if id is not None:
        plain[0]["diff"] = _diff(home, id)
    if as_json:
        print_json({"tasks": plain})
    elif id is not None:
        click.echo(_details(msgspec.to_builtins(found[0])))
        if plain[0]["diff"]:
            click.echo()
            print_diff(plain[0]["diff"])
        if found[0].state == "queued":
            click.echo(_waits(place, found[0].path))
        if found[0].state == "suggested":
            click.echo(f"\n`graced tasks accept {id}` applies it, `graced tasks decline {id}` does not")
    elif found:
        click.echo("\n".join(_table(plain)))
    else:
        click.echo("no tasks")


@command.command("add")
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def add(place: Place, path: str, as_json: bool) -> None:
    """Queue a Python file for the coding agent."""
    if not is_python(path):
        raise Refusal(f"{path}: no Python file by its name or its #! line", EX_USAGE)
    answer = _ask_agent(place.home_dir(), "task.add", {"path": path_in(os.path.abspath(path))})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"queued as task {answer.get('id')}")


@command.command("accept")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def accept(place: Place, id: str, as_json: bool) -> None:
    """Apply what a task suggests; `graced tasks ID` shows it, `graced tasks undo ID` takes it back."""
    _decide(place.home_dir(), "accept", id, "mended as task {id} suggested", as_json)


@command.command("decline")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def decline(place: Place, id: str, as_json: bool) -> None:
    """Leave a file as it is, whatever its task suggests; until someone changes the file."""
    _decide(place.home_dir(), "decline", id, "left as it is: the suggestion of task {id} is declined", as_json)


@command.command("undo")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@place_options
@pass_place
def undo(place: Place, id: str, as_json: bool) -> None:
    """Restore the bytes from before a fix; the file is then left alone until someone changes it."""
    home = place.home_dir()
    task = _task(home, id)
    answer = _ask_agent(home, "task.undo", {"id": id})
    if as_json:
        print_json({**(answer if isinstance(answer, dict) else {}), "id": id, "path": task.path})
    else:
        click.echo(f"{task.path} has its bytes from before task {id} again")


def _decide(home: Home, verb: str, id: str, said: str, as_json: bool) -> None:
    task = _task(home, id)
    answer = _ask_agent(home, f"task.{verb}", {"id": id})
    if as_json:
        print_json({**(answer if isinstance(answer, dict) else {}), "id": id, "path": task.path})
    else:
        click.echo(f"{task.path}: {said.format(id=id)}")


def _waits(place: Place, path: str) -> str:
    """Why a task is not done yet, as far as the file itself tells."""
    from graced.home.kept import kept_config
    from graced.mending.hold import hold

    held = hold(path, kept_config(place.home_dir()).coding_agent.settle_s)
    return f"{'waits':<14} {held.why}" if held is not None else ""


def _diff(home: Home, id: str) -> str | None:
    """What the task has changed, or would; None where it found nothing."""
    try:
        with open(os.path.join(home.root, "originals", f"{id}.patch"), "rb") as file:
            return file.read(DIFF_MAX_BYTES).decode("utf-8", "backslashreplace") or None
    except OSError:
        return None


def _ask_agent(home: Home, verb: str, args: dict[str, Any]) -> Any:
    if not anyone(home):
        raise not_running(home.root)
    return insist(home, "coding_agent", verb, args)


def _tasks(home: Home) -> list[Any]:
    store = reader(home)
    try:
        found = tasks(store)
        if store.degraded:
            raise Refusal(store.trouble)
        return list(found)
    finally:
        store.close()


def _task(home: Home, id: str) -> TaskRecord:
    store = reader(home)
    try:
        found = get_task(store, id) if is_valid(id) else None
        if found is None:
            if store.degraded:
                raise Refusal(store.trouble)
            raise unknown("task", id, [task.id for task in tasks(store)])
        return found
    finally:
        store.close()


def _table(found: list[dict[str, Any]]) -> list[str]:
    columns = (*COLUMNS, Column("FILE", most=4096))
    here = folder_prefix()
    rows = [[t["id"], t["state"], t["created_at"][:19].replace("T", " "), t["path"].removeprefix(here)] for t in found]
    return lines_of(columns, rows, [COLOURS.get(t["state"]) for t in found], width())


def _details(task: dict[str, Any]) -> str:
    return "\n".join(f"{key:<14} {value}" for key, value in task.items() if value not in (None, "", False))
