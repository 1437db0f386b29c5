"""What is wrong with a file, and where: one line each, the same for the configuration and for playbooks."""

import re
from collections.abc import Iterable

from msgspec import Struct

CLIP_CHARS = 60
"""Text of the user's that is quoted in a message is cut to this length."""

LIST_CHOICES = 12
"""A hint lists what is known only up to this many words."""

PROBLEMS_LIMIT = 200
"""More problems of one configuration than this are counted, not told."""

_PLAIN_KEY = re.compile(r"[\w.\-]+\Z")


class Problem(Struct, frozen=True):
    """One mistake. Lines and columns count from 1; `path` is empty for a whole file, `hint` where there is none."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        line = f"{self.file}:{self.line}:{self.column}: {path}{self.message}{hint}"
        return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class Problems:
    """Collects problems. The same complaint about the same place is kept once, however often it is found."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, str], Problem] = {}
        self._left_out = 0

    def add(self, problem: Problem) -> None:
        if len(self._found) >= PROBLEMS_LIMIT:
            self._left_out += 1
            return
        self._found.setdefault((problem.file, problem.line, problem.column, problem.message), problem)

    def __bool__(self) -> bool:
        return bool(self._found)

    def sorted(self, files: Iterable[str] = ()) -> list[Problem]:
        """By position; files in the order given, others after them by name."""
        rank = {file: index for index, file in enumerate(files)}
        found = sorted(
            self._found.values(), key=lambda p: (rank.get(p.file, len(rank)), p.file, p.line, p.column, p.path)
        )
        if self._left_out:
            last = found[-1]
            more = Problem(last.file, last.line, last.column, "", f"and {self._left_out} more problems")
            found.append(more)
        return found


def clip(text: str) -> str:
    """`text` quoted for a message: one line, not too long."""
    return repr(text if len(text) <= CLIP_CHARS else text[: CLIP_CHARS - 1] + "…")


def join(path: str, key: str) -> str:
    """The path of `key` in the mapping at `path`."""
    shown = key if _PLAIN_KEY.match(key) else clip(key)
    return f"{path}.{shown}" if path else shown


def did_you_mean(word: str) -> str:
    return f"did you mean {word}?"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not among `known`: the nearest of them, or all if they are few, or nothing."""
    from difflib import get_close_matches  # a rare path

    words = list(known)
    folded = {w.lower().replace("-", "_"): w for w in reversed(words)}
    asked = word[:CLIP_CHARS].lower().replace("-", "_")
    close = [folded[asked]] if asked in folded else [folded[w] for w in get_close_matches(asked, folded, 1)]
    if close:
        return did_you_mean(close[0])
    if 0 < len(words) <= LIST_CHOICES:
        return "known here: " + ", ".join(words)
    return ""
