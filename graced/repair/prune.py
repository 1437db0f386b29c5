"""Undoes what a repair turned out not to need: a guess at one fault that the mend of the next made superfluous."""

from collections.abc import Callable, Sequence

from graced.repair.check import Fault
from graced.repair.edits import Candidate, Edit, applied, merged

Check = Callable[[str], Fault | None]


def pruned(text: str, steps: tuple[Candidate, ...], check: Check) -> tuple[tuple[Candidate, ...], str]:
    """`steps`, taken one after the other on `text`, without those that it compiles without; and what they lead to.

    Steps that touch one another are all kept.
    """
    mended = _replayed(text, steps)
    kept = in_origin(steps) if len(steps) > 1 else None
    if kept is None or applied(text, _union(kept)) != mended:
        return steps, mended
    needed = kept
    for step in kept[:-1]:
        rest = [other for other in needed if other is not step]
        if check(applied(text, _union(rest))) is None:
            needed = rest
    return tuple(needed), applied(text, _union(needed))


def in_origin(steps: tuple[Candidate, ...]) -> list[Candidate] | None:
    """The steps with the offsets of the first one's text, or None if a later one edits what an earlier one wrote."""
    done: list[Edit] = []
    out: list[Candidate] = []
    for step in steps:
        edits: list[Edit] = []
        for start, end, new in step.edits:
            moved = _moved(done, start, end)
            if moved is None:
                return None
            edits.append((*moved, new))
        done = sorted([*done, *edits])
        out.append(step._replace(edits=tuple(edits)))
    return out


def in_sequence(steps: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Steps whose offsets are those of the first text, with the offsets that they have one after the other."""
    done: list[Edit] = []
    out: list[Candidate] = []
    for step in steps:
        edits = []
        for start, end, new in step.edits:
            shift = sum(len(put) - (high - low) for low, high, put in done if high <= start)
            edits.append((start + shift, end + shift, new))
        done += step.edits
        out.append(step._replace(edits=tuple(edits)))
    return tuple(out)


def _moved(done: list[Edit], start: int, end: int) -> tuple[int, int] | None:
    """`start`..`end` of the text that the edits `done` (in order, apart) led to, as offsets before them."""
    shift = 0
    for low, high, new in done:
        first = low + shift
        last = first + len(new)
        if end < first:
            break
        if start <= last:
            return None
        shift += len(new) - (high - low)
    return start - shift, end - shift


def _union(steps: list[Candidate]) -> tuple[Edit, ...]:
    return merged(edit for step in steps for edit in step.edits)


def _replayed(text: str, steps: tuple[Candidate, ...]) -> str:
    for step in steps:
        text = applied(text, step.edits)
    return text
