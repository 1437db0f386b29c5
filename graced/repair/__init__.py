"""The repair engine: bytes of Python that do not compile in, bytes that do out. No daemon, no files, no state.

`repair` mends, `compiles` only asks, `simple_repairs` does what is safe at once. All are pure and deterministic: the
search is limited by what it checks, alike on every machine. The clock is a far backstop, past which nothing is fixed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from graced.repair.check import Fault

__all__ = ["MAX_BYTES", "Outcome", "Repair", "compiles", "repair", "simple_repairs"]

MAX_BYTES = 1024 * 1024
"""Source above this size is not repaired."""


Outcome = Literal["intact", "fixed", "not_fixed", "suggested"]


class Repair(msgspec.Struct, frozen=True):
    """What became of one file.

    `intact`: it compiles as it is. `fixed`: `fixed` compiles and is good enough to apply. `suggested`: `fixed`
    compiles, but its confidence is below the threshold. `not_fixed`: nothing was found, `fixed` is None.
    `why` says in words why nothing is applied: a law, a file of a kind that is left alone, too little confidence.
    `law` is the name of the law that it would break, if any; `other` the next best reading, if there is one.
    `errors` is what the interpreter said, in the order the faults were met; `edits` the number of changed places.
    """

    state: Outcome
    fixed: bytes | None
    errors: tuple[str, ...]
    edits: int
    confidence: float
    ms: float
    notes: tuple[str, ...]
    why: str = ""
    law: str = ""
    other: bytes | None = None


def repair(
    source: bytes,
    *,
    filename: str = "<file>",
    python: tuple[int, int] | None = None,
    min_confidence: float = 0.9,
    budget_s: float = 30.0,
    past: Sequence[str] = (),
) -> Repair:
    """Mends `source`. Takes `budget_s` seconds at most, whatever the input; never raises for what is in it.

    `past`: earlier texts of the same file that compiled, newest first. What changed since is where the fault lies.
    """
    from graced.repair.engine import mend

    return mend(source, filename, python, min_confidence, budget_s, tuple(past))


def compiles(source: bytes) -> str | None:
    """What the interpreter says against `source`, with the line, or None if it compiles."""
    fault = _fault(source)
    return None if fault is None else str(fault)


def simple_repairs(source: bytes) -> bytes | None:
    """`source` without stray BOMs, invisible characters and NULs, if that alone makes it compile; else None."""
    if len(source) > MAX_BYTES or _fault(source) is None:
        return None
    from graced.repair.chars import without_invisible
    from graced.repair.text import decode

    decoded = decode(source)
    if decoded.note:
        return None
    mended = decoded.encode(without_invisible(decoded.text))
    return mended if mended != source and _fault(mended) is None else None


def _fault(source: bytes) -> "Fault | None":
    from graced.repair.check import fault_of, is_tame

    if is_tame(source):
        return fault_of(source)
    from graced.repair.bounded import fault_of_wild

    return fault_of_wild(source)
