"""`graced logs`: exit 0, 4 no such name."""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Final

import click

from graced.cli.place import Place, pass_place, place_options
from graced.control.errors import EX_USAGE, Refusal
from graced.control.log_notes import gap, undated
from graced.control.logs import Lines, Reader, Write, time_in
from graced.control.names import expand
from graced.home.kept import kept_config, running_kernels
from graced.home.paths import Home
from graced.spec.roles import MEMBERS
from graced.status.now import status
from graced.yaml_source.units import parse_duration

FOLLOWED_LINES: Final = 10
"""Shown before what is new, where nobody says how many."""

POLL_S: Final = 0.1
QUIET_S: Final = 1.0
"""An unfinished line is shown after so long without anything new, as a prompt would be."""


@click.command("logs")
@click.argument("name", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="go on with what comes, through every rotation")
@click.option("-n", "--lines", type=click.IntRange(0), metavar="N", help="the last N lines of each; else all")
@click.option("--since", metavar="TIME", help="from 5m ago, or from 2026-01-01T03:00:00")
@click.option("--json", "as_json", is_flag=True, help='print {"name", "line"} as JSON, one to each line')
@place_options
@pass_place
def command(
    place: Place, name: tuple[str, ...], follow: bool, lines: int | None, since: str | None, as_json: bool
) -> None:
    """The logs of kernels (programs of yours) and members. With several names each line tells whose it is.

    Without NAME: follows those of all kernels.
    """
    home = place.home_dir()
    names = _names(home, name)
    follow = follow or not name
    begin = _begin(since)
    if lines is None and follow and begin is None:
        lines = FOLLOWED_LINES
    wide = max(len(word) for word in names)
    sinks = [Lines(_told(word) if as_json else _prefixed(word, wide)) for word in names]
    shown: list[Write] = [*sinks] if as_json or len(names) > 1 else [_write]
    readers = [Reader(home.log(word), sink) for word, sink in zip(names, shown, strict=True)]
    for word, reader, sink in zip(names, readers, sinks, strict=True):
        there = reader.show(lines, begin)
        if not follow:
            sink.flush()
        _tell_beside(home, word, reader, there, lines is None, begin)
    sys.stdout.flush()
    quiet_s = 0.0
    reader_left = _reader_of_ours() if follow else bool
    while follow and not reader_left():
        new = [reader.more() for reader in readers]
        quiet_s = 0.0 if any(new) else quiet_s + POLL_S
        if quiet_s >= QUIET_S:
            for sink in sinks:
                sink.flush()
        sys.stdout.flush()
        time.sleep(POLL_S)


def _names(home: Home, words: tuple[str, ...]) -> list[str]:
    """Kernels and members; also a kernel that the configuration no longer has, as long as its log is there."""
    specs = running_kernels(kept_config(home))
    if not words:
        if not specs:
            raise Refusal(f"there are no kernels (programs of yours) in {home.root}: name a member", EX_USAGE)
        return list(specs)
    names: dict[str, None] = {}
    for word in words:
        former = "/" not in word and word not in (".", "..") and os.path.isfile(home.log(word))
        names.update(dict.fromkeys([word] if former else expand([word], specs, MEMBERS)))
    return list(names)


def _tell_beside(home: Home, name: str, reader: Reader, there: bool, whole: bool, since: float | None) -> None:
    """On standard error: what cannot be shown, and why there is nothing."""
    notes = [gap(home, name)] if whole or not reader.shown else []
    if since is not None and reader.shown and not reader.dated:
        notes.append(undated(name, since))
    if name not in MEMBERS and not reader.shown and since is None:
        notes.append(_silence(home, name, there))
    for note in notes:
        if note:
            click.echo(f"graced: {note}", err=True)


def _silence(home: Home, name: str, there: bool) -> str:
    """Why a kernel has printed nothing, where its state is the reason."""
    row = status(home).kernels.get(name)
    if row is not None and row.reason and row.state in ("failed", "backoff"):
        return f"{name} has printed nothing; it is {row.state}: {row.reason}"
    return "" if there else f"{name} has printed nothing: it was not started yet"


def _reader_of_ours() -> Callable[[], bool]:
    """Whether whoever reads our output has gone, as `head` does: seen also while there is nothing to write."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors are always told
    return lambda: any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _begin(since: str | None) -> float | None:
    """The moment that --since names, in seconds since 1970."""
    if since is None:
        return None
    at = time_in(since.encode(errors="replace"))
    if at is not None:
        return at
    try:
        return time.time() - parse_duration(since)
    except ValueError as error:
        raise Refusal(f"--since {error}, or a time such as 2026-01-01T03:00:00", EX_USAGE) from None


def _prefixed(name: str, wide: int) -> Write:
    """Writes a line with the name of its kernel or member before it."""
    prefix = f"{name.ljust(wide)} | ".encode(errors="replace")
    return lambda line: _write(prefix + line + b"\n")


def _told(name: str) -> Write:
    """Writes a line as a JSON object; bytes that are no UTF-8 become U+FFFD."""
    return lambda line: _write(_json({"name": name, "line": line.decode(errors="replace")}) + b"\n")


def _json(value: dict[str, str]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
