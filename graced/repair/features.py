"""What is known of a repair, as numbers: the features that its confidence is computed from."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final

from graced.repair.check import Fault
from graced.repair.laws import Law, changes
from graced.repair.lex import KEYWORDS, NAME, NUMBER, STRING, all_tokens
from graced.repair.past import Past
from graced.repair.score import BUILTINS
from graced.repair.search import State

CLOSE: Final = 1.5
"""Nats to the next best choice below which that could as well be meant."""
RIVAL_MAX: Final = 8.0
TINY_LINES: Final = 12
SMALL_CHANGE: Final = 6
"""Lines: a change since the last good text that is as small is a slip on its own."""


def features_of(before: str, state: State, law: Law | None, fault: Fault | None, past: Past | None) -> dict[str, float]:
    """Names and values; what is 0 is left out. `before` is the text that the search began with."""
    found: dict[str, float] = {}
    rules = dict.fromkeys(step.rule for step in state.steps)
    close = state.rivals < CLOSE
    for rule in rules:
        found[f"rule:{rule}"] = 1.0
        if close:
            found[f"close:{rule}"] = 1.0
    count = len(state.steps)
    found["several"] = float(count > 1)
    found["steps"] = min(max(count - 1, 0), 6) / 3
    found["rules"] = min(max(len(rules) - 1, 0), 4) / 2
    found["rivals"] = min(state.rivals, RIVAL_MAX) / RIVAL_MAX
    found["close"] = float(close)
    found["cost"] = max(-1.5, min(state.cost / max(count, 1) / 8, 1.5))
    found["edits"] = math.log1p(sum(len(step.edits) for step in state.steps)) / 3
    lines = before.count("\n") + 1
    found["lines"] = math.log1p(lines) / 6
    found["tiny"] = float(lines <= TINY_LINES)
    if law is not None:
        found["law"] = 1.0
        found[f"law:{law.name}"] = 1.0
    if fault is not None:
        found[f"fault:{fault.kind}"] = 1.0
    for name, value in _of_tokens(before, state.text):
        found[name] = value
    for name, value in _of_past(before, state, past):
        found[name] = value
    return {name: value for name, value in found.items() if value}


def _of_tokens(before: str, after: str) -> Iterable[tuple[str, float]]:
    """What kinds of tokens went and came, and whether the names that came exist in the file."""
    gone: Counter[str] = Counter()
    come: Counter[str] = Counter()
    new_names: list[str] = []
    for old, new, _, _ in changes(before, after):
        had, has = Counter(t.text for t in old), Counter(t.text for t in new)
        gone.update(_kind(t.kind, t.text) for t in old if not has[t.text])
        come.update(_kind(t.kind, t.text) for t in new if not had[t.text])
        new_names += [t.text for t in new if t.kind == NAME and t.text not in KEYWORDS and not had[t.text]]
    for kind, count in gone.items():
        yield f"gone:{kind}", min(count, 3) / 2
    for kind, count in come.items():
        yield f"come:{kind}", min(count, 3) / 2
    if new_names:
        uses = Counter(token.text for token in all_tokens(after) if token.kind == NAME)
        alone = sum(uses[name] < 2 and name not in BUILTINS for name in new_names)
        yield "coined", min(alone, 3) / 2


def _kind(kind: int, text: str) -> str:
    if kind == NAME:
        return "word" if text in KEYWORDS else "name"
    return "number" if kind == NUMBER else "string" if kind == STRING else "bracket" if text in "()[]{}" else "sign"


def _of_past(before: str, state: State, past: Past | None) -> Iterable[tuple[str, float]]:
    """Whether the mend lies in what changed since the file last compiled, and whether it brings that back."""
    if past is None:
        return
    yield "past", 1.0
    old = {line.rstrip() for line in past.old}
    was = Counter(line.rstrip() for line in before.splitlines())
    written = [line.rstrip() for line in state.text.splitlines()]
    now = Counter(written)
    lost = [line for line, count in (was - now).items() if line.strip() for _ in range(count)]
    made = [line for line, count in (now - was).items() if line.strip() for _ in range(count)]
    outside = sum(line in old for line in lost)
    yield "past:outside", min(outside, 4) / 2
    yield "past:inside", float(bool(lost) and not outside)
    back = sum(line in old for line in made)
    yield "past:back", float(bool(made) and back == len(made))
    yield "past:some_back", float(0 < back < len(made))
    changed = sum(hunk.high - hunk.low for hunk in past.hunks)
    yield "past:small", float(changed <= SMALL_CHANGE)
    yield "past:hunks", math.log1p(len(past.hunks)) / 3
    yield "past:whole", float("".join(past.old).split() == state.text.split())
