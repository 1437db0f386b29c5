"""A second opinion on a repair that is only suggested: agreement makes it surer, disagreement less sure."""

import ast
import math
import warnings
from typing import Final

from msgspec.structs import replace

from graced.repair import Repair
from graced.repair.confidence import LEAST, MOST

AGREES: Final = 1.5
"""Log-odds that are added where another, who saw the broken file alone, made the same program of it."""
DIFFERS: Final = 1.5
"""Log-odds that are taken off where they made another one."""


def weighed(found: Repair, answer: bytes, min_confidence: float) -> Repair:
    """`found` with its confidence as it is once `answer`, another's mend of the same file, is known.

    What breaks a law stays a suggestion, whoever agrees. An answer that does not compile says nothing.
    """
    if found.fixed is None or found.state != "suggested":
        return found
    mine, theirs = _tree(found.fixed), _tree(answer)
    if theirs is None:
        return found
    odds = math.log(found.confidence / (1 - found.confidence)) if 0 < found.confidence < 1 else 0.0
    odds += AGREES if mine == theirs else -DIFFERS
    confidence = round(min(MOST, max(LEAST, 1 / (1 + math.exp(-odds)))), 3)
    if found.law or confidence < min_confidence:
        why = found.why if found.law else f"its confidence {confidence:.2f} is below {min_confidence:g}"
        return replace(found, confidence=confidence, why=why)
    return replace(found, state="fixed", confidence=confidence, why="")


def _tree(source: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
