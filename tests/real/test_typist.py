"""Somebody types real files, character by character, and saves as editors do: nobody writes into his text meanwhile."""

import bisect
import colorsys
import contextlib
import json
import os
import random
import sched
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from support.deadlines import until
from support.fixtures import Make

SETTLE_S: Final = 3.0
PAUSE_S: Final = (0.01, 0.4)
"""Between two saves of all files: well below SETTLE_S, whatever the machine does."""
KEYS: Final = (1, 60)
"""Characters typed between two saves of a file."""
MEND_S: Final = 60.0
HALF_TYPED: Final = "\n\ndef last(a)\n    return a\n"

Save = Callable[[Path, bytes], None]


def in_place(path: Path, data: bytes) -> None:
    """As nano does, and vim with `backupcopy=yes`."""
    path.write_bytes(data)


def by_rename(path: Path, data: bytes) -> None:
    """As VS Code's atomic save, JetBrains (under its own names), and most others do."""
    temporary = path.with_name(f"{path.name}___jb_tmp___")
    temporary.write_bytes(data)
    os.rename(temporary, path)


def with_backup(path: Path, data: bytes) -> None:
    """As vim does: the old file becomes the backup, the new one is made, the backup goes."""
    backup = path.with_name(f"{path.name}~")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, backup)
    path.write_bytes(data)
    backup.unlink(missing_ok=True)


class Typed:
    """One file that is being typed: what of it was saved last, and how often it was found otherwise."""

    def __init__(self, path: Path, text: str, save: Save) -> None:
        self.path, self.text, self.save = path, text, save
        self.at = 0
        self.saved: bytes | None = None
        self.saves = self.rewritten = 0

    def type(self, keys: int) -> None:
        if self.saved is not None and self.path.read_bytes() != self.saved:
            self.rewritten += 1
        self.at = min(len(self.text), self.at + keys)
        self.saved = self.text[: self.at].encode()
        self.save(self.path, self.saved)
        self.saves += 1


@pytest.mark.parametrize(
    ("save", "module"),
    [
        pytest.param(in_place, bisect, id="in_place"),
        pytest.param(by_rename, colorsys, id="by_rename", marks=pytest.mark.slow),
        pytest.param(with_backup, sched, id="with_backup", marks=pytest.mark.slow),
    ],
)
def test_nobody_writes_into_what_is_being_typed(make: Make, save: Save, module: ModuleType) -> None:
    rng = random.Random(module.__name__)
    one = make()
    folder = one.folder / "src"
    folder.mkdir()
    one.write({"coding_agent": {"watch": [str(folder)], "settle": f"{SETTLE_S}s"}})
    one.start()
    source = Path(str(module.__file__)).read_text()
    typed = Typed(folder / "module.py", source[: 60 * 60] + HALF_TYPED, save)
    slowest, last = 0.0, time.monotonic()
    while typed.at < len(typed.text):
        typed.type(rng.randint(*KEYS))
        slowest, last = max(slowest, time.monotonic() - last), time.monotonic()
        time.sleep(rng.uniform(*PAUSE_S) if typed.saves % 10 else PAUSE_S[1])
    if slowest > SETTLE_S * 0.8:
        pytest.skip(f"the machine was too busy to type on it: {slowest:.1f} s between two saves")
    assert typed.saves > 50
    assert typed.rewritten == 0, one.story()
    assert not one.audited("fix.applied")
    assert typed.path.read_bytes() == typed.text.encode()

    def over() -> bool:  # and it was not asleep: what is left half typed is looked at once nobody types
        tasks = json.loads(one.ok("tasks", "--json").out)["tasks"]
        return any(task["state"] in ("done", "suggested") and task["path"] == str(typed.path) for task in tasks)

    until(over, MEND_S, lambda: one.story(), 0.3)
    one.stop_and_prove()
