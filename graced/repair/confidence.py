"""How sure a repair is, 0..1: roughly, how often a person who reads it would keep it."""

from graced.repair.edits import applied
from graced.repair.lex import COMMENT, NEWLINE, tokens_of
from graced.repair.search import State

BEST = 0.97
"""What a repair by the surest rule alone gets."""
CLOSE_CALL_NATS = 1.0
"""A rival that costs so little more could as well have been meant:"""
CLOSE_CALL = 0.92
PROSE_MIN_CODE = 3
"""Tokens of code that a file must have beside its prose to be taken for a program at all."""
KEPT_ENOUGH, KEPT_NOTHING = 0.5, 0.1
"""The share of the code that is left from which on nothing is, and below which everything is held against a repair."""


def confidence_of(before: str, state: State) -> float:
    """From the rules that were used, how close the next best choice was, and how much code was lost.

    `before` is the text that the search began with; code that was deleted, commented out, or swallowed by a string
    is lost.
    """
    confidence = BEST
    if state.steps and state.steps[0].rule.startswith("conflict"):  # what a conflict held twice is not lost
        before = applied(before, state.steps[0].edits)
    for step in state.steps:
        confidence *= 0.5 + 0.5 * step.trust  # a rule with no trust at all ends below one half
    if state.rivals < CLOSE_CALL_NATS:
        confidence *= CLOSE_CALL
    return round(confidence * _kept(before, state), 3)


def _kept(before: str, state: State) -> float:
    old, new = _amount(before), _amount(state.text)
    if not old:
        return 1.0
    if any(step.rule.startswith("prose") for step in state.steps):  # words were no code
        return 1.0 if new >= PROSE_MIN_CODE and new > old * KEPT_NOTHING else 0.1
    share = (new / old - KEPT_NOTHING) / (KEPT_ENOUGH - KEPT_NOTHING)
    return min(1.0, max(0.1, share))


def _amount(text: str) -> int:
    """How many tokens of code; a string counts one."""
    return sum(1 for token in tokens_of(text) if token.kind not in (COMMENT, NEWLINE)) if text else 0
