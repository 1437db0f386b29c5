"""What the tour prints: colours and a spinner on a terminal, plain lines elsewhere."""

import contextlib
import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

TITLE_COLUMNS: Final = 24
TEXT_COLUMNS: Final = 68


class Screen:
    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        if not sys.stdout.isatty():
            self._console = Console(highlight=False, markup=False, soft_wrap=True, color_system=None)

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text.from_ansi(text, style=style))

    def busy(self, text: str) -> contextlib.AbstractContextManager[Any]:
        """Shown until the block ends, on a terminal only."""
        return self._console.status(text) if self._console.is_terminal else contextlib.nullcontext()

    def row(self, title: str, text: str, seconds: float | None, ok: bool = True) -> None:
        """One act: what was done, how it was healed, how long that took."""
        took = "failed" if seconds is None else f"{seconds * 1000:.0f} ms"
        words = Text()
        words.append(title.ljust(TITLE_COLUMNS), "bold")
        words.append(text.ljust(TEXT_COLUMNS))
        words.append(took.rjust(8), "green" if ok and seconds is not None else "bold red")
        self._console.print(words)
