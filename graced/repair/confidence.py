"""How sure a repair is: the probability, 0..1, that its author would accept it as it is.

A logistic model of a few features, fitted by `scripts/fit_confidence` to repairs whose outcome is known, with
cross-validation by repository. Nothing in it is set by hand. "Accept" is the strictest reading: the syntax tree is
the one that a person made of the same file.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("confidence.json")
LEAST: Final = 0.01
MOST: Final = 0.99
"""Nothing is certain."""


class Fit(msgspec.Struct, frozen=True):
    """Weights in log-odds by the feature's name; a feature without one counts as `unseen_rule` if it names a rule."""

    bias: float
    unseen_rule: float
    weights: dict[str, float]


@lru_cache(maxsize=1)
def load() -> Fit:
    return msgspec.json.decode(FILE.read_bytes(), type=Fit)


def confidence_of(features: Mapping[str, float], fit: Fit | None = None) -> float:
    """The probability that the fit gives to a repair with these features, to three digits."""
    fit = fit or load()
    odds = fit.bias
    for name, value in features.items():
        weight = fit.weights.get(name)
        if weight is not None:
            odds += weight * value
        elif name.startswith("rule:"):
            odds += fit.unseen_rule * value
    return round(min(MOST, max(LEAST, 1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))))), 3)
