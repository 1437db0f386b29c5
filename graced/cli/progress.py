"""A progress bar for long work, on a terminal; elsewhere nothing."""

import sys
from types import TracebackType
from typing import Any, Self


class Bar:
    """A progress bar on standard error, shown while it is entered and gone afterwards, so that output stays clean."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=None)
        return self

    def update(self, done: int, total: int, what: str = "") -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=max(total, done) or None, description=what or self._what)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
