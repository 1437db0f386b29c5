"""`graced fix`: exit 0 when all compile, 1 when some do not. Without a daemon and without a home."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import Struct
from msgspec.structs import replace

from graced.cli.fix_options import files, refuse_others, setting
from graced.cli.out import print_json
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import Refusal

if TYPE_CHECKING:
    from graced.mending.many import FileFix, How

BAR_FROM: Final = 20
"""Files from which on a progress bar is worth a look."""
FORMATS: Final = ("text", "json", "github", "sarif")


class Chosen(Struct, frozen=True):
    """The options, as they are given."""

    paths: tuple[str, ...]
    check: bool
    diff: bool
    to_stdout: bool
    interactive: bool
    undo: bool
    apply_below: bool
    as_json: bool
    form: str
    force: bool
    min_confidence: float | None

    @property
    def printed(self) -> str:
        return "json" if self.as_json else self.form


@click.command("fix")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--check", is_flag=True, help="change nothing; exit 1 if a file does not compile")
@click.option("--diff", is_flag=True, help="print what would be changed; change nothing")
@click.option("--stdout", "to_stdout", is_flag=True, help="print the mended source; change nothing")
@click.option("-i", "--interactive", is_flag=True, help="show each repair and ask")
@click.option("--undo", is_flag=True, help="restore the bytes from before the last fix of each file")
@click.option("--apply-below", is_flag=True, help="apply also what is only suggested, however unsure")
@click.option("--json", "as_json", is_flag=True, help="the same as --format json")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="what is printed")
@click.option("--force", is_flag=True, help="also what does not look like Python, or like yours to mend")
@click.option("--min-confidence", type=click.FloatRange(0, 1), metavar="X", help="else that of graced.yaml, or 0.9")
@place_options
@pass_place
def command(place: Place, /, **given: Any) -> None:
    """Mend Python files that do not compile, in place. A folder is walked; .gitignore files are honoured, and what was
    installed, built or made for tests to read is passed over.

    Files that compile are not touched; what is not sure is only shown. What a file was before is kept: --undo. Of a
    graced.yaml `exclude`, `min_confidence`, `verify`, `backend` and the interpreters of `watch` and of kernels count,
    if it is your own; `apply` and `settle` are for the daemon alone.
    """
    chosen = Chosen(**given)
    form, diff, to_stdout, interactive = chosen.printed, chosen.diff, chosen.to_stdout, chosen.interactive
    _consistent(diff=diff, stdout=to_stdout, undo=chosen.undo, interactive=interactive)
    if interactive and (chosen.check or form != "text"):
        raise click.UsageError("-i asks a person: neither --check nor another --format goes with it")
    if chosen.undo:
        _undo(chosen.paths)
        return
    if not chosen.force:
        refuse_others(chosen.paths)
    from graced.mending.backend import Asked
    from graced.mending.many import How
    from graced.mending.originals import Originals, folder_of_user
    from graced.mending.verify import Verifier

    agent, kernels, home, folder = setting(place)
    named_files, named = files(chosen.paths, agent.exclude, home)
    how = How(
        write=not (chosen.check or diff or to_stdout or interactive),
        min_confidence=agent.min_confidence if chosen.min_confidence is None else chosen.min_confidence,
        apply_below=chosen.apply_below,
        named=named,
        forced=chosen.force,
        originals=folder_of_user(),
        backend=Asked(agent.backend, folder) if agent.backend is not None else None,
        watch=agent.watch,
        kernels=kernels,
        show=to_stdout,
        verifier=Verifier(agent.verify, folder) if agent.verify else None,
    )
    found = _run(named_files, how)
    if interactive:
        from graced.cli.fix_choose import choose

        found = choose(found, replace(how, write=True))
    else:
        _print(found, form, diff, to_stdout, how.write)
    if how.write or interactive:
        Originals(how.originals).prune()
    good = ("intact", "fixed") if how.write or to_stdout or interactive else ("intact",)
    if any(each.state not in good for each in found):
        click.get_current_context().exit(1)


def _consistent(**chosen: bool) -> None:
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join('--' + name for name in names)} exclude one another")


def _print(found: "list[FileFix]", form: str, diff: bool, to_stdout: bool, written: bool) -> None:
    from graced.cli import fix_formats as formats
    from graced.cli import fix_report as report

    if form == "json":
        print_json({"files": [formats.plain(each, diff) for each in found]})
    elif form == "github":
        click.echo("".join(f"{line}\n" for line in formats.github(found)), nl=False)
    elif form == "sarif":
        from graced import __version__

        print_json(formats.sarif(found, __version__))
    elif to_stdout:
        report.print_source(found)
    elif diff:
        report.print_diffs(found)
    else:
        report.print_files(found, written)


def _run(paths: list[str], how: "How") -> "list[FileFix]":
    from graced.cli.progress import Bar
    from graced.mending.many import fix_many

    jobs = len(os.sched_getaffinity(0))
    if len(paths) < BAR_FROM:
        return fix_many(paths, how, jobs)
    with Bar("looking at files") as bar:
        return fix_many(paths, how, jobs, lambda done: bar.update(done, len(paths)))


def _undo(paths: Sequence[str]) -> None:
    """Raises Refusal when a file could not be put back; those that could be are."""
    from graced.mending.originals import Originals, folder_of_user

    originals = Originals(folder_of_user())
    restored = 0
    troubles: list[str] = []
    for path in paths:
        whole = os.path.abspath(path)
        for each in originals.paths(whole) if os.path.isdir(whole) else [whole]:
            name = path if each == whole else os.path.normpath(os.path.join(path, os.path.relpath(each, whole)))
            try:
                why = originals.undo(each)
            except OSError as error:
                why = f"cannot be restored: {error.strerror or error}"
            if why is None:
                restored += 1
                click.echo(f"{name} has its bytes from before the fix again")
            else:
                troubles.append(f"{name}: {why}")
    if troubles:
        raise Refusal("\n".join(troubles))
    if not restored:
        raise Refusal("nothing is known of a fix there")
