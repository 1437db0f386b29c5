"""`graced fix -i`: each repair is shown, and a person says what becomes of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
from msgspec.structs import replace

from graced.cli.fix_report import story, summary
from graced.cli.out import print_diff

if TYPE_CHECKING:
    from graced.mending.many import FileFix, How

ASKED: Final = "apply? [y]es, [n]o, [o]ther reading, [a]ll that are left, [q]uit"
ASKED_OF_ONE: Final = "apply? [y]es, [n]o, [a]ll that are left, [q]uit"


def choose(found: "Sequence[FileFix]", how: "How") -> "list[FileFix]":
    """What became of each file; those that nobody wanted are `suggested`. The end of the input is a no to the rest."""
    done: list[FileFix] = []
    answer = ""
    for each in found:
        if each.state == "intact":
            done.append(each)
            continue
        if each.after is None or each.before is None:
            click.echo("\n".join(story(each, True)))
            done.append(each)
            continue
        if answer not in ("a", "q"):
            answer = _asked(each)
        done.append(_done(each, answer, how))
    click.echo(summary(done, True))
    return done


def _asked(each: "FileFix") -> str:
    from graced.mending.patch import unified

    assert each.before is not None
    assert each.after is not None
    click.echo("\n".join(story(replace(each, after=None, other=None), False)[:-1]))
    print_diff(unified(each.before, each.after, each.path).decode("utf-8", "backslashreplace"))
    if each.other is not None:
        click.secho("other reading:", bold=True)
        print_diff(unified(each.before, each.other, each.path).decode("utf-8", "backslashreplace"))
    asked = ASKED_OF_ONE if each.other is None else ASKED
    while True:
        try:
            answer = str(click.prompt(asked, default="n", show_default=False)).strip().lower()[:1]
        except (click.Abort, EOFError):
            click.echo()
            return "q"
        if answer in ("y", "n", "a", "q") or (answer == "o" and each.other is not None):
            return answer


def _done(each: "FileFix", answer: str, how: "How") -> "FileFix":
    from graced.mending.many import put

    assert each.before is not None
    wanted = each.other if answer == "o" else each.after
    if answer not in ("y", "o", "a") or wanted is None or (answer == "a" and each.state != "fixed"):
        return replace(each, state="suggested", why="not wanted" if answer == "n" else each.why)
    state, why = put(each.path, each.before, wanted, how)
    return replace(each, state=state, why=why)
