"""A back end asked about what would only be suggested: agreement raises the confidence, disagreement lowers it.

Only where `coding_agent.backend` is set: nothing leaves the machine without that key. A law of the engine (what a
person must see first, however sure) is not overruled.
"""

import ast
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graced.mending.backend import CONFIDENCE, answered
from graced.mending.gates import changed_places, parsed
from graced.mending.spared import harm

if TYPE_CHECKING:
    from graced.mending.backend import Asked
    from graced.mending.interpreter import Checker
    from graced.mending.propose import Proposal

AGREES: Final = 6.0
"""By how much the odds of a repair grow when a back end, which has not seen it, gives the same."""
DIFFERS: Final = 0.4
"""By how much they shrink when its answer is another one."""


def weighed(confidence: float, factor: float) -> float:
    """The probability after evidence that multiplies its odds."""
    odds = factor * confidence
    return odds / (odds + 1.0 - confidence)


def same_meaning(one: bytes, two: bytes) -> bool:
    """Are they the same program, comments and layout apart?"""
    if one == two:
        return True
    first, second = parsed(one), parsed(two)
    try:
        return first is not None and second is not None and ast.dump(first) == ast.dump(second)
    except RecursionError:
        return False


def second_opinion(
    path: str, source: bytes, found: "Proposal", checker: "Checker", min_confidence: float, backend: "Asked"
) -> "Proposal":
    """`found` after the back end was asked: as sure as both are, or the back end's own answer where that is surer."""
    answer, why = answered(backend, path, source, found.error, checker.version)
    if answer is None:
        return replace(found, why=_joined(found.why, why))
    if found.after is None:
        own = _its_own(source, answer, found, checker, min_confidence)
        return found if own.after is None else own
    if same_meaning(found.after, answer):
        sure = weighed(found.confidence, AGREES)
        if found.by_law or sure < min_confidence:
            return replace(found, confidence=sure, why=_joined(found.why, "the back end agrees"))
        return replace(found, state="fixed", confidence=sure, why="")
    less = weighed(found.confidence, DIFFERS)
    own = _its_own(source, answer, found, checker, min_confidence)
    if own.after is not None and own.confidence > less:
        return replace(own, other=found.after)
    other = own.after if own.after is not None else found.other
    return replace(found, confidence=less, why=_joined(found.why, "the back end reads it otherwise"), other=other)


def _its_own(source: bytes, answer: bytes, found: "Proposal", checker: "Checker", min_confidence: float) -> "Proposal":
    """The answer as a proposal of its own, gates passed; without `after` where it passes them not."""
    from graced.mending.propose import Proposal, State, gated

    sure = min_confidence <= CONFIDENCE
    why = "" if sure else f"the back end's answers count for {CONFIDENCE:g}, which is below the limit"
    edits = changed_places(source, answer)
    state: State = "fixed" if sure else "suggested"
    own = gated(source, answer, Proposal(state, found.errors, edits, CONFIDENCE, found.ms, None, why), checker)
    if own.after is None:
        return own
    harmed = harm(source, answer, found.error)
    return own if harmed is None else replace(own, state="suggested", why=harmed)


def _joined(*whys: str) -> str:
    return "; ".join(why for why in whys if why)
