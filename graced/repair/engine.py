"""One file from bytes to `Repair`: decoding, characters, search, confidence, and the last check on the bytes."""

import sys
import time

from graced.repair import MAX_BYTES, Outcome, Repair, conflict, pasted
from graced.repair.aside import why_left
from graced.repair.bounded import fault_of_wild, mend_wild
from graced.repair.chars import ascii_code, without_invisible
from graced.repair.check import Fault, fault_of, is_mendable, is_tame
from graced.repair.confidence import DOUBTFUL, confidence_of
from graced.repair.doubt import is_doubtful
from graced.repair.edits import applied
from graced.repair.newer import newer_syntax
from graced.repair.prune import pruned
from graced.repair.search import Check, State, search
from graced.repair.text import Decoded, decode

RESERVE, RESERVE_SMALL = 0.5, 0.2
"""The part of the budget that is kept for what follows the search and for the step that overruns it."""
SMALL_BYTES = 32 * 1024
"""Source up to this size takes milliseconds a step, so that a slow machine may be given more of the budget."""


def mend(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, budget_s: float,
    past: tuple[str, ...] = (),
) -> Repair:
    """See `graced.repair.repair`."""
    begun = time.monotonic()

    def ms() -> float:
        return (time.monotonic() - begun) * 1000

    def refused(why: str) -> Repair:
        return Repair("not_fixed", None, (str(fault),), 0, 0.0, ms(), (why,))

    tame = is_tame(source)
    fault = fault_of(source, filename=filename) if tame else fault_of_wild(source, budget_s * 0.4)
    if fault is None and (python is None or python >= sys.version_info[:2]):
        return Repair("intact", None, (), 0, 1.0, ms(), ())
    if is_mendable(source):
        reserve = RESERVE_SMALL if len(source) <= SMALL_BYTES else RESERVE
        return mend_tame(source, filename, python, min_confidence, begun + budget_s * (1 - reserve))
    if len(source) > MAX_BYTES:
        return refused(f"larger than {MAX_BYTES} bytes: not repaired")
    left = budget_s - (time.monotonic() - begun)
    found = mend_wild(source, filename, python, min_confidence, left * 0.7)
    return found if found is not None else refused("gave up: too large or too deep for the time it has")


def mend_tame(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, deadline: float
) -> Repair:
    """The repair of source that is safe to compile in this process (or in one that has limits)."""
    begun = time.monotonic()
    feature = python if python is not None and python < sys.version_info[:2] else None

    def fault_in(data: bytes) -> Fault | None:
        return fault_of(data, filename=filename, feature=feature)

    def result(state: Outcome, fixed: bytes | None, edits: int, confidence: float) -> Repair:
        ms = (time.monotonic() - begun) * 1000
        return Repair(state, fixed, tuple(errors), edits, confidence, ms, tuple(notes))

    errors: list[str] = []
    notes: list[str] = []
    if python is not None and python > sys.version_info[:2]:
        notes.append(f"checked by Python {sys.version_info[0]}.{sys.version_info[1]}, which runs graced")
    fault = fault_in(source)
    if fault is None:
        return result("intact", None, 0, 1.0)
    errors.append(str(fault))
    decoded = decode(source)
    if decoded.note:
        notes.append(decoded.note)

    def check(text: str) -> Fault | None:
        try:
            return fault_in(decoded.encode(text))
        except UnicodeEncodeError as error:
            return Fault("UnicodeEncodeError", str(error), 1, 0, 1, 0)

    why = why_left(filename, decoded.text)
    if why is None and python is None:
        newer = newer_syntax(source)
        why = f"it has {newer}" if newer is not None else None
    if why is not None:
        notes.append(f"left alone: {why}")
        return result("not_fixed", None, 0, 0.0)
    plain = _plain(decoded, check, notes)
    changed = int(plain != decoded.text) + bool(decoded.note)
    fault = check(plain)
    best: State | None = State(plain, None, 0.0, (), 99.0)
    if fault is not None:
        if changed and str(fault) not in errors:
            errors.append(str(fault))
        best = search(_resolved(plain, fault, check), check, deadline)
    if best is None:
        return result("not_fixed", None, 0, 0.0)
    if len(best.steps) > 1 and time.monotonic() < deadline:
        steps, text = pruned(plain, best.steps, check)
        best = best._replace(text=text, steps=steps)
    fixed = decoded.encode(best.text)
    if fixed == source or fault_in(fixed) is not None:
        return result("not_fixed", None, 0, 0.0)
    notes += dict.fromkeys(step.rule for step in best.steps)
    confidence = confidence_of(decoded.text.replace("\0", "?"), best)
    if not decoded.sure or is_doubtful(plain, best):
        confidence = min(confidence, DOUBTFUL)
    edits = changed + sum(len(step.edits) for step in best.steps)
    return result("fixed" if confidence >= min_confidence else "suggested", fixed, edits, confidence)


def _plain(decoded: Decoded, check: Check, notes: list[str]) -> str:
    """The text without characters that do not belong: the invisible ones first, more only if that is not enough."""
    text = without_invisible(decoded.text)
    if text != decoded.text:
        notes.append("invisible characters")
        if check(text) is None:
            return text
    plain = ascii_code(text)
    if plain != text:
        notes.append("look-alikes of ASCII")
    return plain


def _resolved(text: str, fault: Fault, check: Check) -> list[State]:
    """Where the search starts: the text, or if it holds merge conflicts, the ways to resolve them, best first."""
    ways = []
    for candidate in conflict.candidates(text):
        new = applied(text, candidate.edits)
        left = check(new)
        cost = candidate.cost + (4.0 if left is not None else 2.0 * min(conflict.undefined_names(new), 5))
        ways.append(State(new, left, cost, (candidate,), 99.0))
    for new, steps in pasted.taken_out(text, lambda one: check(one) is None):
        ways.append(State(new, check(new), sum(step.cost for step in steps), steps, 99.0))
    if any(way.fault is None and way.steps[0].rule in pasted.RULES for way in ways):
        ways = [way for way in ways if way.fault is None and way.steps[0].rule in pasted.RULES]
    elif not any(way.steps[0].rule.startswith("conflict") for way in ways):
        ways.append(State(text, fault, 0.0, (), 99.0))
    ways.sort(key=lambda state: state.cost)
    return ways
