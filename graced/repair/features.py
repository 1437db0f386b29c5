"""What is known of a repair, as numbers: the features that its confidence is computed from."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from graced.repair.check import Fault
from graced.repair.laws import Law, changes
from graced.repair.lex import KEYWORDS, NAME, NUMBER, STRING, all_tokens, tokens_of
from graced.repair.past import Past
from graced.repair.score import BUILTINS
from graced.repair.search import State

CLOSE: Final = 1.5
"""Nats to the next best choice below which that could as well be meant."""
RIVAL_MAX: Final = 8.0
TINY_LINES: Final = 12
SMALL_CHANGE: Final = 6
"""Lines: a change since the last good text that is as small is a slip on its own."""


FAMILIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "pasted",
        (
            "pasted_",
            "elision",
            "escaped_",
            "html_",
            "edit_block",
            "patch_lines",
            "prompt",
            "prose",
            "slash_",
            "marker_rest",
        ),
    ),
    ("doubled", ("conflict_same", "doubled_", "repeated_clause")),
    ("conflict", ("conflict", "marker")),
    (
        "quote",
        (
            "missing_quote",
            "unescaped",
            "extra_quote",
            "escaped_end",
            "wrong_quote",
            "triple",
            "missing_triple",
            "short_triple",
            "extra_triple",
            "long_open",
            "doubled_quote",
            "torn_string",
            "inner_quotes",
            "bad_escape",
            "nested_quotes",
            "late_docstring",
        ),
    ),
    ("fstring", ("fstring_",)),
    ("bracket", ("missing_close", "missing_open", "delete_close", "delete_open", "wrong_close", "wrong_open")),
    ("indent", ("indent_", "missing_indent", "tabs", "deindented", "missing_body", "body_commented", "doubled_header")),
    (
        "insert",
        (
            "missing_comma",
            "missing_operator",
            "missing_word",
            "missing_plus",
            "missing_value",
            "split_name",
            "missing_annotation",
            "missing_parameters",
            "missing_newline",
            "joined_line",
            "torn_operator",
        ),
    ),
    (
        "replace",
        (
            "wrong_token",
            "assign_for",
            "c_operators",
            "split_operator",
            "word_order",
            "not_equal",
            "not_python",
            "walrus",
            "else_if",
        ),
    ),
    (
        "delete",
        (
            "delete_token",
            "stray_",
            "litter",
            "leftover",
            "doubled_",
            "repeated_",
            "empty_import",
            "commented_",
            "orphan",
            "torn_tail",
        ),
    ),
    (
        "header",
        (
            "missing_colon",
            "wrong_colon",
            "missing_header",
            "missing_def",
            "missing_except",
            "else_condition",
            "truncated",
        ),
    ),
    ("keyword", ("misspelt", "reserved", "async_def", "two_imports", "main_guard", "future_import", "declared_")),
    ("restored", ("restored",)),
    ("characters", ("invisible", "look_alikes", "encoding")),
)
"""Kinds of rules, by how their names begin: what is not learned of one rule is learned of its kin."""
MESSAGES: Final = (
    "expected an indented block",
    "unexpected indent",
    "unindent does not match",
    "inconsistent use of tabs",
    "never closed",
    "unmatched",
    "does not match opening",
    "unterminated triple",
    "unterminated string",
    "f-string",
    "expected ",
    "forgot a comma",
    "cannot assign",
    "Maybe you meant",
    "perhaps you meant",
    "outside",
    "argument",
    "invalid character",
    "non-printable",
    "invalid decimal",
    "leading zeros",
    "Missing parentheses",
    "invalid syntax",
    "unicode",
    "null bytes",
    "global declaration",
    "line continuation",
)
"""Parts of what the interpreter says, the first that fits counts."""
_QUOTED: Final = re.compile(r"'[^']*'")


def family_of(rule: str) -> str:
    return next((family for family, names in FAMILIES if rule.startswith(names)), "other")


def features_of(
    before: str, state: State, law: Law | None, fault: Fault | None, past: Past | None, characters: Sequence[str] = ()
) -> dict[str, float]:
    """Names and values; what is 0 is left out. `before` is the text that the search began with.

    `characters` says what was done to the file's characters and bytes before that.
    """
    found: dict[str, float] = {}
    rules = dict.fromkeys([*characters, *(step.rule for step in state.steps)])
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
    families = dict.fromkeys(family_of(rule) for rule in rules)
    for family in families:
        found[f"family:{family}"] = 1.0
        found[f"rivals:{family}"] = found["rivals"] / len(families)
        found[f"cost:{family}"] = found["cost"] / len(families)
    lines = before.count("\n") + 1
    found["lines"] = math.log1p(lines) / 6
    found["tiny"] = float(lines <= TINY_LINES)
    for name, value in _of_places(before, state):
        found[name] = value
    if law is not None:
        found["law"] = 1.0
        found[f"law:{law.name}"] = 1.0
    if fault is not None:
        found[f"fault:{fault.kind}"] = 1.0
        said = _QUOTED.sub("", fault.message)
        found["said:" + next((words for words in MESSAGES if words in said), "other")] = 1.0
    for name, value in _of_tokens(before, state.text):
        found[name] = value
    found["strangers"] = min(_strangers(before, state.text), 4) / 2
    for name, value in _of_past(before, state, past):
        found[name] = value
    return {name: value for name, value in found.items() if value}


def _of_places(before: str, state: State) -> Iterable[tuple[str, float]]:
    """Where on its line the only edit is: at the end, at the beginning, or between."""
    if len(state.steps) != 1 or len(state.steps[0].edits) != 1:
        return
    start, end, _ = state.steps[0].edits[0]
    stop = before.find("\n", end)
    rest = before[end : stop if stop >= 0 else len(before)].split("#")[0].strip()
    lead = before[before.rfind("\n", 0, start) + 1 : start].strip()
    yield (
        ("place:end", 1.0)
        if not rest
        else ("place:colon", 1.0)
        if rest == ":"
        else ("place:comma", float(rest[0] in ",)]}"))
    )
    yield "place:begin", float(not lead)


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


def _strangers(before: str, after: str) -> int:
    """Names on changed lines that the file has nowhere else and Python does not know."""
    old = set(before.splitlines())
    near = [line for line in after.splitlines() if line not in old][:40]
    uses = Counter(token.text for token in all_tokens(after) if token.kind == NAME)
    names = {
        token.text for line in near for token in tokens_of(line) if token.kind == NAME and token.text not in KEYWORDS
    }
    return sum(uses[name] < 2 and name not in BUILTINS for name in names)


def _kind(kind: int, text: str) -> str:
    if kind == NAME:
        return "word" if text in KEYWORDS else "name"
    return "number" if kind == NUMBER else "string" if kind == STRING else "bracket" if text in "()[]{}" else "sign"


def without_past(features: Mapping[str, float]) -> dict[str, float]:
    """The features as they are where nothing is known of the file's past."""
    return {name: value for name, value in features.items() if not name.startswith("past")}


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
    stood = past.lost
    put = [t.text for _, new, _, _ in changes(before, state.text) for t in new]
    yield "past:tokens_back", sum(text in stood for text in put) / len(put) if put else 0.0
    taken = [
        t.text for was, new, _, _ in changes(before, state.text) for t in was if all(n.text != t.text for n in new)
    ]
    there = {t.text for line in past.old for t in tokens_of(line)} if taken else set()
    yield "past:new_gone", sum(text not in there for text in taken) / len(taken) if taken else 0.0
    changed = sum(hunk.high - hunk.low for hunk in past.hunks)
    yield "past:small", float(changed <= SMALL_CHANGE)
    yield "past:hunks", math.log1p(len(past.hunks)) / 3
    yield "past:whole", float("".join(past.old).split() == state.text.split())
