"""What `graced fix` tells a person: each error with its line and a caret, what was done, what else could be meant."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from graced.cli.out import DIFF_COLOURS, clip, on_terminal, print_diff, width

if TYPE_CHECKING:
    from graced.mending.many import FileFix
    from graced.mending.spots import Spot

COLOURS: Final = {"fixed": "green", "suggested": "yellow", "not_fixed": "red"}
WORDS: Final = {"fixed": "fixed", "suggested": "not sure", "not_fixed": "not fixed"}
AROUND: Final = 1
"""Lines shown above and below that of an error."""
DIFF_LINES: Final = 24
"""Of a suggestion, shown with its file; `--diff` shows all of it."""
TAB: Final = "    "


def print_source(found: "Sequence[FileFix]") -> None:
    """The bytes, one file after the other; of one that cannot be mended as they are."""
    import sys

    out = sys.stdout.buffer
    for each in found:
        good = each.state == "fixed" and each.after is not None
        out.write((each.after if good else each.before) or b"")
        if each.state in ("suggested", "not_fixed"):
            click.echo(line_of(each, False), err=True)
    out.flush()


def print_diffs(found: "Sequence[FileFix]") -> None:
    from graced.mending.patch import unified

    for each in found:
        if each.before is not None and each.after is not None:
            diff = unified(each.before, each.after, each.path)
            if on_terminal():
                print_diff(diff.decode("utf-8", "backslashreplace"))
            else:  # for `git apply`, which wants the very bytes
                click.echo(diff, nl=False)
        if each.state != "intact" and each.state != "fixed":
            click.echo(line_of(each, False), err=True)


def print_files(found: "Sequence[FileFix]", written: bool) -> None:
    for each in found:
        if each.state != "intact":
            click.echo("\n".join(story(each, written)))
    click.echo(summary(found, written))


def story(each: "FileFix", written: bool) -> list[str]:
    """All about one file that does not compile."""
    lines: list[str] = []
    for spot in each.spots:
        lines += shown(each.path, spot, each.before)
    if not each.spots:  # it could not even be read
        lines.append(f"{each.path}: {each.errors[0] if each.errors else ''}")
    lines.append(line_of(each, written, short=bool(each.spots)))
    if each.state == "suggested" and each.before is not None:
        for word, reading in (("", each.after), ("or: ", each.other)):
            if reading is not None:
                lines += [f"  {click.style(word, bold=True)}{text}" if not index else f"  {' ' * len(word)}{text}"
                          for index, text in enumerate(_changes(each.before, reading))]  # fmt: skip
    return [*lines, ""]


def shown(path: str, spot: "Spot", source: bytes | None) -> list[str]:
    """As ruff and rustc show it: the message, FILE:LINE:COLUMN, the line, and a caret under what is meant."""
    numbers = range(max(1, spot.line - AROUND), spot.line + AROUND + 1)
    texts = {spot.line: spot.text}
    if source is not None:
        from graced.mending.lines import lines_of

        all_lines = lines_of(source).texts
        texts |= {number: all_lines[number - 1] for number in numbers if number <= len(all_lines)}
    wide = len(str(max(texts)))
    bar = click.style("|", fg="blue")
    lines = [
        f"{click.style(spot.kind, fg='red', bold=True)}: {clip(spot.message, 300)}",
        f"{' ' * wide}{click.style('-->', fg='blue')} {path}:{spot.line}:{spot.column}",
    ]
    for number in numbers:
        if number not in texts:
            continue
        lines.append(f"{number:>{wide}} {bar} {_visible(texts[number])}".rstrip())
        if number == spot.line:
            lead = len(_visible(spot.text[: spot.column - 1]))
            carets = "^" * max(1, min(spot.end_column - spot.column, width()))
            lines.append(f"{' ' * wide} {bar} {' ' * lead}{click.style(carets, fg='red', bold=True)}")
    return lines


def _visible(text: str) -> str:
    """One line on a terminal: tabs as spaces, no control character, no line too long."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.replace("\t", TAB))
    return plain if len(plain) <= 2 * width() else plain[: 2 * width() - 1] + "…"


def _changes(before: bytes, after: bytes) -> list[str]:
    """The changed lines of a diff, without its head."""
    from graced.mending.patch import unified

    lines = unified(before, after, "x").decode("utf-8", "backslashreplace").splitlines()[2:]
    texts = [line for line in lines if line[:1] in ("+", "-")]
    more = [f"… {len(texts) - DIFF_LINES} lines more: see graced fix --diff"] if len(texts) > DIFF_LINES else []
    return [click.style(_visible(text), fg=DIFF_COLOURS.get(text[:1])) for text in texts[:DIFF_LINES]] + more


def line_of(each: "FileFix", written: bool, short: bool = False) -> str:
    """STATE  PATH: what was wrong (how sure), or of a `short` one what was done."""
    from graced.mending.rules_in_words import in_words

    word = WORDS[each.state] if written or each.state != "fixed" else "can be fixed"
    told = in_words(each.rules)
    text = told if short else f"{each.path}: {each.errors[0] if each.errors else ''}"
    details = []
    if each.state == "fixed" or (each.state == "suggested" and short):
        details.append(f"{each.edits} edit{'s' * (each.edits != 1)}, confidence {each.confidence:.2f}")
    if each.why:
        details.insert(0, each.why)
    if each.state == "suggested":
        details.append("apply it by -i" if short else "see graced fix --diff")
    text += f" ({'; '.join(details)})" if details else ""
    return click.style(word.ljust(14), fg=COLOURS[each.state], bold=True) + clip(text.strip(), max(width() - 14, 300))


def summary(found: "Sequence[FileFix]", written: bool) -> str:
    counts = dict.fromkeys(("intact", *WORDS), 0)
    for each in found:
        counts[each.state] += 1
    names = {"fixed": "fixed" if written else "can be fixed", "suggested": "not sure", "not_fixed": "not fixed"}
    words = [f"{counts[state]} {name}" for state, name in names.items() if counts[state]]
    files = f"{len(found)} file{'s' * (len(found) != 1)}"
    end = f"; `graced fix --undo {undo_hint(found)}` takes it back" if written and counts["fixed"] else ""
    return f"{files}: " + (", ".join(words) if words else "all compile") + end


def undo_hint(found: "Sequence[FileFix]") -> str:
    fixed = [each.path for each in found if each.state == "fixed"]
    return (
        fixed[0] if len(fixed) == 1 else os.path.commonpath([os.path.abspath(path) for path in fixed] + [os.getcwd()])
    )
