"""One file from bytes to `Repair`: decoding, what is left alone, search, laws, confidence, and a last check."""

import sys
import time
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from graced.repair import MAX_BYTES, Outcome, Repair, conflict, pasted
from graced.repair import past as file_past
from graced.repair.aside import why_left
from graced.repair.bounded import fault_of_wild, mend_wild
from graced.repair.budget import Budget, OutOfTime
from graced.repair.chars import ascii_code, without_invisible
from graced.repair.check import Fault, fault_of, is_mendable, is_tame
from graced.repair.confidence import confidence_of
from graced.repair.edits import applied
from graced.repair.features import features_of, without_past
from graced.repair.laws import Law, broken_law
from graced.repair.newer import F_STRING, newer_syntax
from graced.repair.past import Hints, Past, past_of
from graced.repair.prune import in_sequence, pruned
from graced.repair.search import Check, State, search
from graced.repair.text import Decoded, decode

NO_RIVAL = 99.0
ENCODING_LAW = Law("text", "nobody knows what encoding its bytes are in")
COMPLETIONS = frozenset(("missing_except",))
COMPLETED = 0.9
"""The one figure that no fit gives: `except Exception: raise` changes nothing that the code does, so whoever left the
clause out can accept it, though nobody would have typed it. The fit counts it as wrong."""
NEUTRAL = frozenset(("nested_quotes",))
"""Rules that mend syntax of a newer Python for an older one and mean the same to both."""


def mend(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, budget_s: float,
    past: Sequence[str] = (),
) -> Repair:  # fmt: skip
    """See `graced.repair.repair`."""
    begun = time.monotonic()

    def ms() -> float:
        return (time.monotonic() - begun) * 1000

    def refused(why: str) -> Repair:
        return Repair("not_fixed", None, (str(fault),), 0, 0.0, ms(), (why,), why)

    tame = is_tame(source)
    fault = fault_of(source, filename=filename) if tame else fault_of_wild(source, budget_s * 0.4)
    if fault is None and (python is None or python >= sys.version_info[:2]):
        return Repair("intact", None, (), 0, 1.0, ms(), ())
    if is_mendable(source):
        return mend_tame(source, filename, python, min_confidence, begun + budget_s, past)
    if len(source) > MAX_BYTES:
        return refused(f"larger than {MAX_BYTES} bytes: not repaired")
    left = budget_s - (time.monotonic() - begun)
    found = mend_wild(source, filename, python, min_confidence, left * 0.7, tuple(past))
    return found if found is not None else refused("gave up: too large or too deep for the time it has")


def mend_tame(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, deadline: float,
    past: Sequence[str] = (),
) -> Repair:  # fmt: skip
    """The repair of source that is safe to compile in this process (or in one that has limits)."""
    return explained(source, filename, python, min_confidence, deadline, past)[0]


def explained(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, deadline: float,
    past: Sequence[str] = (),
) -> tuple[Repair, Mapping[str, float]]:  # fmt: skip
    """`mend_tame`, and the features that the confidence was computed from: what `scripts/fit_confidence` learns of."""
    begun = time.monotonic()
    feature = python if python is not None and python < sys.version_info[:2] else None
    budget = Budget(deadline)
    errors: list[str] = []
    notes: list[str] = []

    def fault_in(data: bytes) -> Fault | None:
        budget.compiled(len(data))
        return fault_of(data, filename=filename, feature=feature)

    def result(state: Outcome, fixed: bytes | None, edits: int, confidence: float, why: str = "") -> Repair:
        ms = (time.monotonic() - begun) * 1000
        return Repair(state, fixed, tuple(errors), edits, confidence, ms, tuple(notes), why)

    if python is not None and python > sys.version_info[:2]:
        notes.append(f"checked by Python {sys.version_info[0]}.{sys.version_info[1]}, which runs graced")
    fault = fault_of(source, filename=filename, feature=feature)
    if fault is None:
        return result("intact", None, 0, 1.0), {}
    errors.append(str(fault))
    decoded = decode(source)
    if decoded.note:
        notes.append(decoded.note)
    newer = newer_syntax(source) if python is None else None
    why = why_left(filename, decoded.text)
    if why is None and newer is not None and newer != F_STRING:
        why = f"it has {newer}"
    if why is not None:
        return result("not_fixed", None, 0, 0.0, f"left alone: {why}"), {}

    def check(text: str) -> Fault | None:
        try:
            return fault_in(decoded.encode(text))
        except UnicodeEncodeError as error:
            return Fault("UnicodeEncodeError", str(error), 1, 0, 1, 0)

    try:
        plain = _plain(decoded, check, notes)
        earlier = past_of(past, plain)
        best = _searched(plain, check, budget, earlier, errors)
        if best is not None and len(best.steps) > 1 and not budget.spent:
            steps, text = pruned(plain, best.steps, check)
            if steps is not best.steps:
                steps = in_sequence(steps)
            best = best._replace(text=text, steps=steps)
        fixed = decoded.encode(best.text) if best is not None else source
        if best is None or fixed == source or fault_in(fixed) is not None:
            return result("not_fixed", None, 0, 0.0, "no repair was found"), {}
    except OutOfTime:
        return result("not_fixed", None, 0, 0.0, "gave up: the machine was too busy to search as far as ever"), {}
    rules = dict.fromkeys(step.rule for step in best.steps)
    notes += rules
    if newer is not None and not rules.keys() <= NEUTRAL:
        return result("not_fixed", None, 0, 0.0, f"left alone: it has {newer}"), {}
    law = broken_law(decoded.text, plain, best.text, best.steps)
    if law is None and not decoded.sure:
        law = ENCODING_LAW
    features = features_of(plain, best, law, fault, earlier, _characters(decoded, plain))
    confidence = confidence_of(features)
    if features.get("past:inside"):  # to know where the fault must lie makes no mend less likely that lies there
        confidence = max(confidence, confidence_of(without_past(features)))
    if rules.keys() == COMPLETIONS and not best.other:
        confidence = max(confidence, COMPLETED)
    edits = int(plain != decoded.text) + bool(decoded.note) + sum(len(step.edits) for step in best.steps)
    other = _other(best, decoded, check)
    if law is not None:
        return replace(result("suggested", fixed, edits, confidence, law.why), law=law.name, other=other), features
    if confidence < min_confidence:
        low = f"its confidence {confidence:.2f} is below {min_confidence:g}"
        return replace(result("suggested", fixed, edits, confidence, low), other=other), features
    return replace(result("fixed", fixed, edits, confidence), other=other), features


def _searched(plain: str, check: Check, budget: Budget, earlier: Past | None, errors: list[str]) -> State | None:
    """The cheapest text that compiles: the plain one, one without what was pasted, one that is mended or put back."""
    fault = check(plain)
    if fault is None:
        return State(plain, None, 0.0, (), NO_RIVAL)
    if str(fault) not in errors:
        errors.append(str(fault))
    hints = Hints()
    put_back: list[State] = []
    if earlier is not None:
        hints = earlier.hints
        put_back = list(_put_back(plain, check, earlier))
    slips = [state for state in put_back if state.steps[0].rule == "restored"]
    best = search([*_resolved(plain, fault, check), *slips], check, budget, hints)
    others = [state for state in put_back if best is None or state.text != best.text]
    if best is None or (others and others[0].cost < best.cost):
        return min(others, key=lambda state: state.cost) if others else best
    if others:
        best = best._replace(rivals=min(best.rivals, min(state.cost for state in others) - best.cost))
    return best


def _put_back(plain: str, check: Check, earlier: Past) -> list[State]:
    """Texts that compile by putting back a part of what stood there before, the cheapest first."""
    found: list[State] = []
    for candidate in file_past.candidates(earlier, plain):
        text = applied(plain, candidate.edits)
        if check(text) is None:
            found.append(State(text, None, candidate.cost, (candidate,), NO_RIVAL))
    found.sort(key=lambda state: state.cost)
    return found


def _plain(decoded: Decoded, check: Check, notes: list[str]) -> str:
    """The text without characters that do not belong: the invisible ones first, more only if that is not enough."""
    text = without_invisible(decoded.text)
    if text != decoded.text:
        notes.append("invisible characters")
        if check(text) is None:
            return text
    odd = any(text.count(quotes) % 2 for quotes in ('"""', "'''"))
    plain = text if odd else ascii_code(text)  # in a docstring without an end, words look like code
    if plain != text:
        notes.append("look-alikes of ASCII")
    return plain


def _other(best: State, decoded: Decoded, check: Check) -> bytes | None:
    """The next best reading, if there is one that compiles and is another."""
    if not best.other or best.other == best.text:
        return None
    try:
        return decoded.encode(best.other) if check(best.other) is None else None
    except (OutOfTime, UnicodeEncodeError):
        return None


def _characters(decoded: Decoded, plain: str) -> list[str]:
    """What was done to bytes and characters before the search, as names of rules."""
    names = ["encoding"] if decoded.note else []
    if plain != decoded.text:
        names.append("invisible" if plain == without_invisible(decoded.text) else "look_alikes")
    return names


def _resolved(text: str, fault: Fault, check: Check) -> list[State]:
    """Where the search starts: the text, or what it is without conflicts and without what was copied with it."""
    ways: list[State] = []
    for candidate in conflict.candidates(text):
        new = applied(text, candidate.edits)
        left = check(new)
        cost = candidate.cost + (4.0 if left is not None else 2.0 * min(conflict.undefined_names(new), 5))
        ways.append(State(new, left, cost, (candidate,), NO_RIVAL))
    taken = [
        State(new, check(new), sum(step.cost for step in steps), steps, NO_RIVAL)
        for new, steps in pasted.taken_out(text, lambda one: check(one) is None)
    ]
    whole = [state for state in taken if state.fault is None]
    if whole:
        return whole
    if not ways:
        ways = [*taken, State(text, fault, 0.0, (), NO_RIVAL)]
    ways.sort(key=lambda state: state.cost)
    return ways
