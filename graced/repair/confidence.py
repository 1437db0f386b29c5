"""How sure a repair is, 0..1.

One half is the line between what is worth applying and what a person should see first. Above it, the distance says how
often such a repair is exactly what a person did: about 2 * (confidence - 0.5), as measured by `scripts/score_repair`.
Below it is what loses much of the file, or stands on several weak guesses.
"""

from graced.repair.edits import applied
from graced.repair.lex import COMMENT, NEWLINE, tokens_of
from graced.repair.search import State

TRUST = {
    "c_operators": 0.99, "doubled_word": 0.99, "misspelt_keyword": 0.99, "tabs": 0.99, "slash_comment": 0.98,
    "doubled_token": 0.98, "wrong_close": 0.98, "repeated_argument": 0.98, "conflict_same": 0.98, "nested_quotes": 0.97,
    "future_import": 0.97, "two_imports": 0.97, "main_guard": 0.95, "constant_of": 0.9, "bad_escape": 0.9,
    "joined_line": 0.85, "missing_header": 0.85,
    "python2": 0.97, "wrong_token": 0.97, "else_if": 0.97, "escaped_end": 0.97, "long": 0.97, "not_python": 0.95,
    "wrong_quote": 0.95, "wrong_colon": 0.95, "missing_colon": 0.95, "word_order": 0.95, "prompt": 0.95,
    "stray_backslash": 0.95, "delete_close": 0.93, "assign_for_equal": 0.93, "missing_newline": 0.93,
    "split_name": 0.92, "indent_line": 0.92, "async_def": 0.9, "indent_statement": 0.9, "indent_block": 0.9,
    "delete_open": 0.88, "delete_token": 0.88, "missing_quote": 0.87, "short_triple": 0.85, "long_open": 0.85,
    "repeated_clause": 0.85, "increment": 0.85, "split_operator": 0.85, "stray_mark": 0.85, "octal": 0.85,
    "tabs_all": 0.85, "declared_late": 0.85, "doubled_header": 0.8, "missing_indent": 0.8, "missing_open": 0.8,
    "missing_comma": 0.8, "missing_operator": 0.77, "late_docstring": 0.75, "leading_zero": 0.75, "marker": 0.7,
    "missing_close": 0.7, "prose": 0.7, "digit_name": 0.7, "reserved_word": 0.65, "unescaped_quote": 0.65,
    "indent_run": 0.6, "missing_value": 0.6, "wrong_open": 0.6, "conflict_ours": 0.55, "conflict_theirs": 0.55,
    "conflict_both": 0.5, "dash_in_name": 0.5, "digit_string": 0.5, "brace_block": 0.5, "orphan_elif": 0.5,
    "prose_docstring": 0.5, "extra_triple": 0.4, "late_comment": 0.4, "missing_triple": 0.3, "argument_order": 0.3,
    "else_condition": 0.3, "return_outside": 0.3, "orphan_clause": 0.25, "extra_quote": 0.2, "missing_body": 0.1,
    "truncated": 0.1, "commented_out": 0.1, "missing_except": 0.05, "triple": 0.05, "torn_tail": 0.05,
    "commented_lines": 0.0, "truncated_deep": 0.0,
}  # fmt: skip
"""How often a repair by this rule is what a person did, where it was the only one needed."""
CLOSE_CALLS = ((1.0, 0.65), (2.0, 0.85))
"""(nats, factor): a rival that costs less than so much more could as well have been meant."""
WEAK = 0.5
"""Rules that are trusted less are guesses; each beyond the first takes off a share:"""
GUESS = 0.95
NEVER = 0.8
"""What a rule with no trust at all takes off, so that it is only suggested."""
DOUBTFUL = 0.45
"""At most so much where a repair may change what a program does, or what is no program: a person sees it first."""
PROSE_MIN_CODE = 2
"""Tokens of code that a file must have beside its prose to be taken for a program at all."""
KEPT_ENOUGH, KEPT_NOTHING = 0.5, 0.1
"""The share of the code that is left from which on nothing is, and below which everything is held against a repair."""


def confidence_of(before: str, state: State) -> float:
    """From the rules that were used, how close the next best choice was, and how much code was lost.

    `before` is the text that the search began with; code that was deleted, commented out, or swallowed by a string
    is lost.
    """
    if state.steps and state.steps[0].rule.startswith("conflict"):  # what a conflict held twice is not lost
        before = applied(before, state.steps[0].edits)
    equal, guesses, hold = 1.0, 0, 1.0
    for step in state.steps:
        trust = TRUST.get(step.rule, 0.9)
        equal *= trust
        guesses += trust < WEAK
        if not trust:
            hold *= NEVER
    for nats, factor in CLOSE_CALLS:
        if state.rivals < nats:
            equal *= factor
            break
    hold *= GUESS ** max(0, guesses - 1)
    return round((0.5 + 0.48 * equal) * hold * _kept(before, state), 3)


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
    return sum(token.kind not in (COMMENT, NEWLINE) for token in tokens_of(text))
