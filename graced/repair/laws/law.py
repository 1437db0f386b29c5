"""The vocabulary of the laws: what a law is, and the rules that break or cannot break one."""

from typing import Final, NamedTuple


class Law(NamedTuple):
    """`name` is one of `NAMES`; `why` completes "it is only suggested, because …"."""

    name: str
    why: str


NAMES: Final = (
    "text",
    "operator",
    "literal",
    "word",
    "silenced",
    "condition",
    "unreachable",
    "conflict",
    "hole",
    "torn",
    "made_up",
    "annotation",
    "secret",
)
SILENCING: Final = frozenset(("commented_out", "commented_lines", "orphan_clause", "late_comment"))
CONFLICT: Final = frozenset(("conflict_ours", "conflict_theirs", "conflict_both"))
TORN: Final = frozenset(("truncated", "truncated_deep", "torn_tail"))
MADE_UP: Final = {
    "missing_value": "a value is missing, and nobody knows which",
    "missing_body": "a body is missing",
    "missing_header": "the word that begins the statement is missing",
    "return_outside": "a return was taken out",
    "else_condition": "a condition was taken out",
    "digit_string": "a number became a string",
    "digit_name": "a number became a name",
    "octal": "a number with leading zeros became another one",
    "leading_zero": "a number lost its leading zeros",
    "argument_order": "arguments changed their order",
    "clause_order": "clauses changed their order",
    "triple": "a text has no end",
    "torn_operator": "what an operator was to be followed by is missing",
    "import_inside": "where an import goes was guessed",
    "lost_try": "what is tried was guessed",
    "orphan_elif": "a clause became a statement of its own",
    "repeated_argument": "one of two values of an argument was taken out",
}
"""Rules that invent, or decide, what only the author knows; and why, in words."""
SPELT: Final = frozenset(
    (
        "c_operators",
        "split_operator",
        "increment",
        "word_order",
        "not_equal",
        "else_if",
        "ternary",
        "patch_lines",
        "brace_block",
        "python2",
        "dash_in_name",
        "walrus",
        "case_compare",
        "slash_comment",
        "switch",
        "leftover_tail",
        "empty_import",
        "edit_block",
        "doubled_word",
        "doubled_token",
        "doubled_header",
        "doubled_argument",
        "repeated_clause",
        "marker_rest",
        "conflict_same",
        "prompt",
        "not_python",
        "main_guard",
        "comprehension_if",
        "commented_rest",
        "elision",
        "nested_quotes",
        "fstring_brace",
        "fstring_bracket",
        "fstring_open",
        "fstring_escape",
        "long",
        "prose",
        "prose_docstring",
        "constant_of",
        "restored",
        "two_imports",
        "reserved_word",
        "inner_quotes",
        "doubled_quote",
        "argument_colon",
        "torn_string",
        "import_inside",
        "missing_triple",
        "short_triple",
        "marker",
        "declared_late",
        "future_import",
        "stray_backslash",
        "litter",
        "missing_annotation",
    )
)
"""Rules that write the same in Python's words, or take out what stands twice: their tokens are not counted."""
