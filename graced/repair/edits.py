"""Edits, and candidates made of them: what a rule proposes before anyone knows whether it compiles."""

from collections.abc import Iterable
from typing import NamedTuple

Edit = tuple[int, int, str]
"""(start, end, replacement) in characters of the text it is applied to."""


class Candidate(NamedTuple):
    """A possible mend.

    `rule` is the name of the kind of slip, which the confidence is learned by. `cost` is what the rule itself
    costs, in nats: the rarer such a slip, the more. `delta` is how much less usual the text becomes (nats of the token
    model), None to have it computed.
    """

    rule: str
    cost: float
    edits: tuple[Edit, ...]
    delta: float | None = None


def merged(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """In order, without overlaps (of two that overlap the first stands)."""
    out: list[Edit] = []
    for edit in sorted(edits, key=lambda e: (e[0], e[1])):
        if not out or edit[0] >= out[-1][1]:
            out.append(edit)
    return tuple(out)


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, replacement in edits:
        parts += (text[at:start], replacement)
        at = end
    parts.append(text[at:])
    return "".join(parts)
