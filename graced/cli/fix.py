"""`graced fix`: exit 0 when all compile, 1 when some do not. Without a daemon and without a home."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from graced.cli.out import clip, on_terminal, print_diff, print_json, width
from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import EX_USAGE, Refusal

if TYPE_CHECKING:
    from graced.config.schema import CodingAgent, Watch
    from graced.mending.many import FileFix, How

COLOURS: Final = {"fixed": "green", "suggested": "yellow", "not_fixed": "red"}
WORDS: Final = {"fixed": "fixed", "suggested": "not sure", "not_fixed": "not fixed"}
BAR_FROM: Final = 20
"""Files from which on a progress bar is worth a look."""


@click.command("fix")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--check", is_flag=True, help="change nothing; exit 1 if a file does not compile")
@click.option("--diff", is_flag=True, help="print what would be changed; change nothing")
@click.option("--stdout", "to_stdout", is_flag=True, help="print the mended source; change nothing")
@click.option("--json", "as_json", is_flag=True, help="print JSON: for each file its errors, edits, confidence, time")
@click.option("--force", is_flag=True, help="also files that are not Python by their name or their #! line")
@click.option("--min-confidence", type=click.FloatRange(0, 1), metavar="X", help="else that of graced.yaml, or 0.5")
@place_options
@pass_place
def command(
    place: Place,
    paths: tuple[str, ...],
    check: bool,
    diff: bool,
    to_stdout: bool,
    as_json: bool,
    force: bool,
    min_confidence: float | None,
) -> None:
    """Mend Python files that do not compile, in place. A folder is walked; .gitignore files are honoured.

    Files that compile are not touched. Of a graced.yaml `exclude`, `min_confidence`, `verify` and the
    interpreters of `watch` and of kernels count; `apply` is for the daemon alone.
    """
    if not force:
        _refuse_others(paths)
    if diff and to_stdout:
        raise click.UsageError("--diff and --stdout exclude one another")
    from graced.mending.many import How
    from graced.mending.verify import Verifier

    agent, kernels, home, folder = _setting(place)
    how = How(
        write=not (check or diff or to_stdout),
        min_confidence=agent.min_confidence if min_confidence is None else min_confidence,
        watch=agent.watch,
        kernels=kernels,
        show=diff or to_stdout,
        verifier=Verifier(agent.verify, folder) if agent.verify else None,
    )
    found = _run(_files(paths, agent.exclude, home), how)
    if as_json:
        print_json({"files": [_plain(each, diff) for each in found]})
    elif to_stdout:
        _print_source(found)
    elif diff:
        _print_diff(found)
    else:
        _print_lines(found, how.write)
    good = ("intact", "fixed") if how.write or to_stdout else ("intact",)
    if any(each.state not in good for each in found):
        click.get_current_context().exit(1)


def _setting(place: Place) -> "tuple[CodingAgent, tuple[Watch, ...], str, str]":
    """What the configuration says, which Python runs what, the home, where `verify` runs.

    Without a configuration the defaults, and no YAML is read.
    """
    from graced.config.schema import DEFAULT_HOME, PLACES, CodingAgent

    given = place.config or os.environ.get("GRACED_CONFIG") or any(os.path.exists(path) for path in PLACES)
    if not given:
        return CodingAgent(), (), os.path.abspath(place.home or os.environ.get("GRACED_HOME") or DEFAULT_HOME), "/"
    from graced.members.targets import targets
    from graced.posix.home import Home

    config = place.load().config
    return config.coding_agent, targets(Home(config.home), config), config.home, config.folder


def _refuse_others(paths: Sequence[str]) -> None:
    """What is no Python would be made some: prose becomes comments. Said before anything is touched."""
    from graced.mending.walk import is_python

    others = [path for path in paths if not os.path.isdir(path) and not is_python(path)]
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        text = f"{others[0]}{more}: no Python file by its name or its #! line; --force mends it all the same"
        raise Refusal(text, EX_USAGE)


def _files(paths: Sequence[str], exclude: tuple[str, ...], home: str) -> list[str]:
    """The files as the person named them, folders walked but for graced's own home; each file once."""
    from graced.mending.put import MAX_FILE_BYTES
    from graced.mending.walk import sources

    barred = (home, os.path.realpath(home))
    found: dict[str, str] = {}
    for path in paths:
        if os.path.isdir(path):
            top = os.path.abspath(path)
            for each in sources((path,), exclude, barred, only_ours=True):
                named = os.path.normpath(os.path.join(path, os.path.relpath(each, top)))
                if _size(each) > MAX_FILE_BYTES:
                    click.echo(f"{named}: larger than {MAX_FILE_BYTES} bytes: passed over", err=True)
                else:
                    found.setdefault(each, named)
        else:
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # whoever reads it will say so
        return 0


def _run(files: list[str], how: "How") -> "list[FileFix]":
    from graced.cli.progress import Bar
    from graced.mending.many import fix_many

    jobs = len(os.sched_getaffinity(0))
    if len(files) < BAR_FROM:
        return fix_many(files, how, jobs)
    with Bar("looking at files") as bar:
        return fix_many(files, how, jobs, lambda done: bar.update(done, len(files)))


def _plain(each: "FileFix", diff: bool) -> dict[str, Any]:
    """As in the contract; with `why` where there is a reason, and with --diff the patch."""
    plain: dict[str, Any] = {
        "path": each.path, "state": each.state, "errors": list(each.errors), "edits": each.edits,
        "confidence": round(each.confidence, 3), "ms": round(each.ms, 3),
    }  # fmt: skip
    if each.why:
        plain["why"] = each.why
    if diff and each.before is not None and each.after is not None:
        from graced.mending.patch import unified

        plain["diff"] = unified(each.before, each.after, each.path).decode("utf-8", "backslashreplace")
    return plain


def _print_source(found: "list[FileFix]") -> None:
    """The bytes, one file after the other; of one that cannot be mended as they are."""
    out = sys.stdout.buffer
    for each in found:
        good = each.state == "fixed" and each.after is not None
        out.write((each.after if good else each.before) or b"")
        if each.state in ("suggested", "not_fixed"):
            click.echo(_line(each, False), err=True)
    out.flush()


def _print_diff(found: "list[FileFix]") -> None:
    from graced.mending.patch import unified

    for each in found:
        if each.before is not None and each.after is not None:
            diff = unified(each.before, each.after, each.path)
            if not on_terminal():  # for `git apply`, which wants the very bytes
                click.echo(diff, nl=False)
                continue
            print_diff(diff.decode("utf-8", "backslashreplace"))
        if each.state != "intact" and each.state != "fixed":
            click.echo(_line(each, False), err=True)


def _print_lines(found: "list[FileFix]", written: bool) -> None:
    counts = dict.fromkeys(("intact", *WORDS), 0)
    for each in found:
        counts[each.state] += 1
        if each.state != "intact":
            click.echo(_line(each, written))
    click.echo(_summary(len(found), counts, written))


def _line(each: "FileFix", written: bool) -> str:
    """STATE  PATH: what was wrong (how sure)."""
    word = WORDS[each.state] if written or each.state != "fixed" else "can be fixed"
    text = f"{each.path}: {each.errors[0] if each.errors else ''}"
    if each.state == "fixed":
        text += f" ({each.edits} edit{'s' * (each.edits != 1)}, confidence {each.confidence:.2f})"
    elif each.state == "suggested":
        text += f" ({each.why}; see graced fix --diff)"
    elif each.why:
        text += f" ({each.why})"
    return click.style(word.ljust(14), fg=COLOURS[each.state], bold=True) + clip(text, max(width() - 14, 200))


def _summary(total: int, counts: dict[str, int], written: bool) -> str:
    names = {"fixed": "fixed" if written else "can be fixed", "suggested": "not sure", "not_fixed": "not fixed"}
    words = [f"{counts[state]} {name}" for state, name in names.items() if counts[state]]
    files = f"{total} file{'s' * (total != 1)}"
    return f"{files}: " + (", ".join(words) if words else "all compile")
