"""Confidence is a fit: small, whole, and lower for what is less known."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.repair import compiles, repair
from graced.repair.confidence import LEAST, MOST, Fit, confidence_of, load

PACKAGE = Path(__file__).resolve().parents[3] / "graced" / "repair"


def test_the_fit_is_small_and_knows_most_rules() -> None:
    fit = load()
    assert 50 < len(fit.weights) < 600
    assert len((PACKAGE / "confidence.json").read_bytes()) < 40_000
    rules = set()
    for path in PACKAGE.glob("*.py"):
        rules |= set(re.findall(r'Candidate\(\s*"(\w+)"', path.read_text("utf-8")))
    known = {name.removeprefix("rule:") for name in fit.weights if name.startswith("rule:")}
    assert len(rules & known) > 0.6 * len(rules)


@given(st.dictionaries(st.sampled_from(sorted(load().weights)), st.floats(-2, 2), max_size=12))
def test_it_is_a_probability(features: dict[str, float]) -> None:
    assert LEAST <= confidence_of(features) <= MOST


def test_a_rule_that_nobody_has_seen_counts_as_such() -> None:
    fit = Fit(1.0, -2.0, {"rule:known": 2.0})
    assert confidence_of({"rule:new": 1.0}, fit) < confidence_of({}, fit) < confidence_of({"rule:known": 1.0}, fit)


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b)\n    return a + b\n",
        "import os\n\n\ndef names(folder):\n    return sorted(os.listdir(folder)\n\n\nprint(names('.'))\n",
        "improt os\n\n\ndef home():\n    return os.environ['HOME']\n",
        "```python\nimport os\n\n\ndef home():\n    return os.environ['HOME']\n\n\nprint(home())\n```\n",
        'import os\n\npath = f"{os.sep}/{os.getcwd()"\nprint(path)\n',
    ],
)
def test_plain_slips_are_mended_without_a_person(source: str) -> None:
    found = repair(source.encode())
    assert found.state == "fixed", (found.confidence, found.why)
    assert found.fixed is not None
    assert compiles(found.fixed) is None
    assert found.why == ""


def test_what_is_not_sure_is_suggested_with_the_reason() -> None:
    found = repair(b"x = compute(1 2\n", min_confidence=0.995)
    assert found.state == "suggested"
    assert found.why
