"""The plainest other reading of a broken file that was whole before: a part of what stood there, put back."""

from collections.abc import Sequence

from graced.mending.interpreter import Checker
from graced.repair import past as file_past
from graced.repair.edits import applied
from graced.repair.text import decode


def restored(source: bytes, past: Sequence[str], checker: Checker) -> bytes | None:
    """`source` with one slip or one hunk since its newest earlier text undone; None where no single one helps."""
    decoded = decode(source)
    earlier = file_past.past_of(past, decoded.text)
    if earlier is None:
        return None
    for candidate in sorted(file_past.candidates(earlier, decoded.text), key=lambda each: each.cost):
        try:
            after = decoded.encode(applied(decoded.text, candidate.edits))
        except UnicodeEncodeError:
            continue
        if after != source and checker.error(after) is None:
            return after
    return None
