"""The guided tour. Nothing in it is simulated: the processes, the signals, the times and the log are real."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from graced.audit.read import verify
from graced.cli.board import board
from graced.control.errors import Refusal
from graced.core.roles import MEMBERS
from graced.demo.acts import ACTS
from graced.demo.screen import Screen
from graced.demo.stage import Stage, Status

BOARD_COLUMNS: Final = 100
ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
KEPT: Final = ("web", "visitor")
"""Kernels that nobody harms: they must keep their pids from the first act to the last."""


def run() -> int:
    """The whole of it; 0 when everything recovered. Whatever happens, nothing is left running."""
    screen = Screen()
    stage = Stage()
    well = False
    try:
        with _endings_raise():
            well = _tour(screen, stage)
    finally:
        well = _end(screen, stage) and well
        if well:
            stage.remove()
        else:
            screen.line(f"what graced wrote is kept in {stage.folder}")
    return 0 if well else 1


def _tour(screen: Screen, stage: Stage) -> bool:
    began = time.monotonic()
    screen.line(f"graced in {stage.folder}: {len(MEMBERS)} members of its own and three kernels, all of them processes")
    try:
        with screen.busy("starting"):
            before, took = stage.start()
    except Refusal as refusal:
        screen.line(f"it did not start: {refusal}", "bold red")
        return False
    screen.line(board(before, BOARD_COLUMNS, [*before["members"], *before["kernels"]]))
    screen.line()
    screen.row("graced start", "all healthy", took)
    count = stage.number("count")
    failures = 0
    for act in ACTS:
        with screen.busy(act.title):
            outcome = act.perform(stage)
        screen.row(act.title, outcome.text, outcome.seconds)
        failures += outcome.seconds is None
    well = failures == 0
    well &= _kernels(screen, stage, before, count)
    well &= _audit(screen, stage)
    seconds = time.monotonic() - began
    healed = f"all {len(ACTS)} recovered" if not failures else f"{failures} of {len(ACTS)} did not recover"
    screen.line(f"{healed}, in {seconds:.0f} s", "bold green" if well else "bold red")
    return well


def _kernels(screen: Screen, stage: Stage, before: Status, count: int) -> bool:
    """The kernels lived on: same pids, no request failed, the counter grew."""
    after = stage.look()
    pids = [(before["kernels"][name]["pid"], after["kernels"][name]["pid"]) for name in KEPT]
    answered, failed = stage.number("visits"), stage.number("visits", 1)
    grown = stage.number("count") - count
    kept = all(old == new for old, new in pids)
    words = "kept their pids" if kept else f"did not keep their pids {pids}"
    screen.line()
    screen.line(
        f"kernels   web and visitor {words}, {answered} of {answered + failed} requests were answered, "
        f"the worker counted {grown} on"
    )
    return kept and answered > 0 and not failed and grown > 0


def _audit(screen: Screen, stage: Stage) -> bool:
    verdict = verify(stage.home.audit)
    if verdict.broken is not None:
        where = verdict.broken
        screen.line(f"audit     broken: {where.file}:{where.line}: {where.why}", "bold red")
        return False
    screen.line(f"audit     {verdict.records} records, the chain is whole: {verdict.head[:16]}…")
    return True


def _end(screen: Screen, stage: Stage) -> bool:
    """Stops all of it, not to be interrupted; looks whether anybody is left."""
    with _ignored((signal.SIGINT, *ENDING)):
        why = ""
        try:
            seconds = stage.clear()
        except Refusal as refusal:
            why = str(refusal)
        left = stage.left()
        if why or left:
            pids = f", pid {', '.join(map(str, left))} left" if left else ""
            screen.line(f"stop      {why or 'done'}{pids}", "bold red")
            return False
        screen.line(
            f"stop      in {seconds * 1000:.0f} ms; of {len(stage.seen)} processes that were seen, none is left"
        )
        return True


class _Ended(KeyboardInterrupt):
    """A signal asks this process to end: as Ctrl-C does."""


@contextmanager
def _endings_raise() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended

    old = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _ignored(numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    old = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
