"""What is printed: JSON, durations, sizes, columns. Colours are dropped by click where no terminal reads."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

WIDTH_MAX: Final = 120
WIDTH_LEAST: Final = 30
GAP: Final = "  "


def print_json(value: Any, compact: bool = False) -> None:
    """One JSON document; UTF-8 where it can be said so, escapes for file names that are none."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    text = json.dumps(value, ensure_ascii=False, **layout)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, **layout)
    click.echo(text)


def width() -> int:
    """Columns of the terminal, within reason; 80 where there is none."""
    return max(WIDTH_LEAST, min(WIDTH_MAX, shutil.get_terminal_size((80, 24)).columns))


def on_terminal() -> bool:
    return sys.stdout.isatty()


def span(seconds: float | None) -> str:
    """A duration in at most six characters: 0.3s, 42s, 5m 3s, 2h 4m, 3d 7h; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for size, name, below, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{name} {rest}{part}" if whole < 100 * size else f"{whole // size}{name}"
    return f"{whole}s"


def size(count: int | None) -> str:
    """Bytes as 512K, 9.4M, 1.2G; `-` for None."""
    if count is None:
        return "-"
    value = count / 1024
    for unit in "KMGT":
        if value < 1024 or unit == "T":
            return f"{value:.1f}{unit}" if value < 10 and unit != "K" else f"{value:.0f}{unit}"
        value /= 1024
    return "-"


def clip(text: str, columns: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= columns else line[: max(0, columns - 1)] + "…"


def middle(text: str, columns: int) -> str:
    """The same, cut in its middle: of a path the end tells most."""
    line = " ".join(text.split())
    if len(line) <= columns:
        return line
    end = max(0, columns - 1) // 2 + max(0, columns - 1) % 2
    return line[: max(0, columns - 1 - end)] + "…" + line[len(line) - end :]


DIFF_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


def print_diff(diff: str) -> None:
    """A unified diff, in colours on a terminal."""
    for line in diff.splitlines(keepends=True):
        head = line.startswith(("+++", "---"))
        click.echo(click.style(line, bold=head, fg=None if head else DIFF_COLOURS.get(line[:1])), nl=False)


def wrapped(text: str, columns: int, first: str, rest: str) -> list[str]:
    """All of it, over as many lines as it takes; `first` and `rest` stand before them. columns 0: one line."""
    line = " ".join(text.split())
    if not columns or len(first) + len(line) <= columns:
        return [first + line]
    import textwrap

    return textwrap.wrap(line, max(columns, len(first) + 10), initial_indent=first, subsequent_indent=rest)


class Column:
    """One column of a table: its title, whether numbers stand to the right, how wide it is.

    `rank`: on a terminal too narrow for all columns those of the highest rank are left out; 0 never is.
    """

    def __init__(self, title: str, right: bool = False, least: int = 0, most: int = 40, rank: int = 0) -> None:
        self.title, self.right, self.least, self.most, self.rank = title, right, least, most, rank


def lines_of(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    colours: Sequence[str | None] = (),
    wide: int = 0,
    flexible: int = -1,
) -> list[str]:
    """The title line and one line for each row, aligned. `colours`: of the second cell of each row.

    wide: columns are left out by their rank, and the column `flexible` is cut in its middle, so that no line is longer;
    0 leaves all as it is.
    """
    widths = _widths(columns, rows, wide)
    if wide:
        shown = list(range(len(columns)))
        flexible = flexible % len(columns)

        def least() -> int:
            return sum(len(columns[i].title) if i == flexible else widths[i] for i in shown) + len(GAP) * (
                len(shown) - 1
            )

        while least() > wide and any(columns[i].rank for i in shown):
            shown.remove(max(shown, key=lambda i: columns[i].rank))
        columns, widths = [columns[i] for i in shown], [widths[i] for i in shown]
        rows = [[row[i] for i in shown] for row in rows]
        flexible = shown.index(flexible) if flexible in shown else 0
        over = sum(widths) + len(GAP) * (len(widths) - 1) - wide
        widths[flexible] = max(len(columns[flexible].title), widths[flexible] - max(0, over))
    found = [click.style(_line(columns, [column.title for column in columns], widths), dim=True)]
    for index, row in enumerate(rows):
        colour = colours[index] if index < len(colours) else None
        found.append(_line(columns, row, widths, colour))
    return found


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], wide: int) -> list[int]:
    wanted = [
        max([column.least, len(column.title), *(len(row[i]) for row in rows)]) for i, column in enumerate(columns)
    ]
    return [min(column.most, want) for column, want in zip(columns, wanted, strict=True)] if wide else wanted


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int], colour: str | None = None) -> str:
    padded = []
    for index, (column, cell, wide) in enumerate(zip(columns, cells, widths, strict=True)):
        text = middle(cell, wide)
        text = text.rjust(wide) if column.right else text.ljust(wide)
        padded.append(click.style(text, fg=colour, bold=True) if colour and index == 1 else text)
    return GAP.join(padded).rstrip()


def folder_prefix() -> str:
    """What paths below the current folder begin with; empty where it has been deleted."""
    try:
        return os.path.join(os.getcwd(), "")
    except FileNotFoundError:
        return ""


def from_here(path: str) -> str:
    """The path as it is shortest to type in the current folder, if there is one."""
    return os.path.relpath(path) if folder_prefix() else path
