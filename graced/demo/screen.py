"""What the tour prints: colours and a spinner on a terminal, plain lines elsewhere."""

import contextlib
import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

TITLE_COLUMNS: Final = 27
TEXT_COLUMNS: Final = 64


class Screen:
    """quiet: nothing is printed; `rows` has what would have been, for a program."""

    def __init__(self, quiet: bool = False) -> None:
        self.rows: list[dict[str, Any]] = []
        self._console = Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
        if not sys.stdout.isatty():
            self._console = Console(highlight=False, markup=False, soft_wrap=True, color_system=None, quiet=quiet)

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text.from_ansi(text, style=style))

    def busy(self, text: str) -> contextlib.AbstractContextManager[Any]:
        """Shown until the block ends, on a terminal only."""
        shown = self._console.is_terminal and not self._console.quiet
        return self._console.status(text) if shown else contextlib.nullcontext()

    def row(self, title: str, text: str, seconds: float | None = None, failed: bool = False) -> None:
        """What was done or looked at, what came of it, how long that took."""
        span_s = None if seconds is None else round(seconds, 3)
        self.rows.append({"what": title, "ok": not failed, "text": text, "duration_s": span_s})
        took = "failed" if failed else "" if seconds is None else f"{seconds * 1000:.0f} ms"
        words = Text()
        words.append(title.ljust(TITLE_COLUMNS), "bold")
        words.append(text.ljust(TEXT_COLUMNS) if took else text)
        words.append(took.rjust(8) if took else "", "bold red" if failed else "green")
        self._console.print(words)
