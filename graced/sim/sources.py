"""A simulated tree of source files, what is wrong with them, and what kernels say that fall over them.

A file's text is one of `good N`, `broken N` (it does not compile), `raises N` (it does, and kernels that run it die).
"""

from typing import Final

from msgspec import Struct

ROOT: Final = "/simulated-src"


class Snapshot(Struct, frozen=True):
    proven: bool
    texts: dict[str, str]


class Sources:
    """`files`: text by path. `changes` counts, so that each state of a file has a key of its own."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.files = dict.fromkeys(paths, "good 0")
        self.keys = dict.fromkeys(paths, 0)
        self.originals: dict[str, str] = {}  # sha256 -> text
        self.looked_at: dict[tuple[str, str], float] = {}  # (path, key) -> when it was first looked at
        self.notes: dict[str, tuple[str, str]] = {}  # task -> (text before, text after), written before the rename
        self.snapshots: dict[str, Snapshot] = {}
        self.changes = 0

    def write(self, path: str, text: str) -> None:
        self.changes += 1
        self.files[path], self.keys[path] = text, self.changes

    def digest(self, path: str) -> str:
        """Raises OSError."""
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return sha256(self.files[path])

    def inside(self, roots: tuple[str, ...]) -> list[str]:
        return [path for path in self.files if any(path == r or path.startswith(r + "/") for r in roots)]

    def failure(self, roots: tuple[str, ...]) -> str:
        """What a program of these sources says and dies of; "" when it runs."""
        for path in self.inside(roots):
            text = self.files[path]
            if text.startswith("broken"):
                return f'  File "{path}", line 1\n    {text}\n    ^\nSyntaxError: invalid syntax\n'
            if text.startswith("raises"):
                header = "Traceback (most recent call last):\n"
                return f"{header}  File \"{path}\", line 1, in <module>\n    {text}\nKeyError: '{text}'\n"
        return ""


def sha256(text: str) -> str:
    return f"sha256 of {text}"


def compiles(text: str) -> bool:
    return not text.startswith("broken")


def mended(text: str) -> str | None:
    """What the engine makes of a broken text: mostly a good one, sometimes one that is worse, sometimes nothing."""
    number = int(text.split()[1])
    if number % 7 == 6:
        return None
    return f"raises {number}" if number % 5 == 4 else f"good {number}"
