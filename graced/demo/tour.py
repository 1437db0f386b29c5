"""The guided tour. Nothing in it is simulated: the processes, the signals, the times and the log are real."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from graced.audit.read import verify
from graced.cli.board import board
from graced.cli.out import print_json
from graced.control.errors import Refusal
from graced.demo.acts import ACTS
from graced.demo.screen import Screen
from graced.demo.stage import Stage
from graced.spec.roles import MEMBERS
from graced.status.structs import Status

BOARD_COLUMNS: Final = 100
ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
KEPT: Final = ("web", "visitor")
"""Kernels that nobody harms: they must keep their pids from the first act to the last."""


def run(as_json: bool = False) -> int:
    """The whole of it; 0 when everything recovered. Whatever happens, nothing is left running."""
    screen = Screen(quiet=as_json)
    stage = Stage()
    keep = False
    try:
        with _endings_raise():
            well = _tour(screen, stage)
        keep = not well
        if as_json:
            print_json({"ok": well, "rows": screen.rows, "kept": str(stage.folder) if keep else None})
        return 0 if well else 1
    except Exception as error:
        keep = not isinstance(error, BrokenPipeError)  # then only our output has no reader any more
        raise
    finally:
        with _ignored((signal.SIGINT, *ENDING)):
            stage.clear()
            if keep:
                screen.line(f"what graced wrote is kept in {stage.folder}")
            else:
                stage.remove()


def _tour(screen: Screen, stage: Stage) -> bool:
    began = time.monotonic()
    try:
        with screen.busy("starting"):
            before, took = stage.start()
    except Refusal as refusal:
        screen.line(f"it did not start: {refusal}", "bold red")
        return False
    what = f"{len(MEMBERS)} members and {len(before.kernels)} kernels, each a process of its own"
    screen.line(f"started {what}: healthy after {took * 1000:.0f} ms")
    screen.line(board(before, BOARD_COLUMNS, [*before.members, *before.kernels]))
    screen.line()
    count = stage.number("count")
    failures = 0
    for act in ACTS:
        with screen.busy(act.title):
            outcome = act.perform(stage)
        screen.row(act.title, outcome.text, outcome.seconds, failed=outcome.seconds is None)
        failures += outcome.seconds is None
    well = _kernels(screen, stage, before, count) & _audit(screen, stage) & _end(screen, stage)
    told = f"{failures} of {len(ACTS)} did not recover" if failures else f"all {len(ACTS)} recovered"
    well = well and not failures
    screen.line(f"{told}, in {time.monotonic() - began:.1f} s", "bold green" if well else "bold red")
    return well


def _kernels(screen: Screen, stage: Stage, before: Status, count: int) -> bool:
    """The kernels lived on: same pids, no request failed, the counter grew."""
    after = stage.look()
    kept = all(before.kernels[name].pid == after.kernels[name].pid for name in KEPT)
    answered, failed = stage.number("visits"), stage.number("visits", 1)
    grown = stage.number("count") - count
    words = "kept" if kept else "did not keep"
    asked = f"{answered} of {answered + failed} requests answered"
    well = kept and answered > 0 and not failed and grown > 0
    counted = "counted on" if grown > 0 else "did not count on"
    text = f"web and visitor {words} their pids, {asked}, worker {counted}"
    screen.row("kernels meanwhile", text, failed=not well)
    return well


def _audit(screen: Screen, stage: Stage) -> bool:
    verdict = verify(stage.home.audit)
    broken = verdict.broken
    text = f"{verdict.records} records, their chain is whole"
    if broken is not None:
        text = f"broken at {broken.file}:{broken.line}: {broken.why}"
    screen.row("audit verify", text, failed=broken is not None)
    return broken is None


def _end(screen: Screen, stage: Stage) -> bool:
    """Stops all of it and looks whether anybody is left."""
    seconds = 0.0
    try:
        with _ignored((signal.SIGINT, *ENDING)):
            seconds = stage.clear()
        left = ", ".join(map(str, stage.left()))
        text = f"pid {left} left" if left else f"of {len(stage.seen)} processes that were seen, none is left"
    except Refusal as refusal:
        left = text = str(refusal)
    screen.row("stop", text, seconds, failed=bool(left))
    return not left


class _Ended(KeyboardInterrupt):
    """A signal asks this process to end, as Ctrl-C does."""


@contextmanager
def _endings_raise() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended

    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
    old = {number: signal.signal(number, end) for number in heeded}
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
