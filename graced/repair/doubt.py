"""What a person must see before it is applied, however usual the slip: code silenced, conditions lost, templates.

Whether source compiles says nothing of whether a check that guarded something is still made.
"""

import ast
import difflib
import re
import warnings

from graced.repair.edits import Candidate, applied
from graced.repair.lex import COMMENT, KEYWORDS, NAME, OP, STRING, tokens_of
from graced.repair.search import State

GUARDS = frozenset(("if", "elif", "while", "unless", "until", "assert", "raise"))
"""Words that decide whether something is done; the same in languages whose words a repair translates."""
SILENCING = frozenset(("commented_out", "commented_lines"))
UNGUARDED = frozenset(("doubled_word", "doubled_token", "doubled_header", "repeated_clause", "torn_tail", "truncated"))
"""Rules that may delete such a word: it stands there twice, or nothing follows that it could have guarded."""
_TEMPLATE = re.compile(r"\{%.{0,200}?%\}|\{\{-?[ \t]*[A-Za-z_][^{}\r\n]{0,200}\}\}|\{#.{0,200}?#\}|<%.{0,200}?%>")


def is_doubtful(before: str, state: State) -> bool:
    """`before` is the text that the steps began with."""
    text = before
    for step in state.steps:
        if step.rule in SILENCING or _loses_guard(text, step):
            return True
        text = applied(text, step.edits)
    if any(":" in new for step in state.steps for _, _, new in step.edits) and _annotates(before, state.text):
        return True
    return bool(state.steps) and _is_template(before)


def _loses_guard(text: str, step: Candidate) -> bool:
    if step.rule in UNGUARDED or step.rule.startswith("conflict"):
        return False
    for start, end, new in step.edits:
        if _guards(text[start:end]) > _guards(new):
            return True
        if step.rule == "missing_newline" and _guards(text[end:].lstrip()[:8].split(" ")[0]):
            return True  # `return if done`, `f(x) if ready`: what stood before it was conditional
        if step.rule == "late_comment" and _is_code(text[end : text.find("\n", end) if "\n" in text[end:] else None]):
            return True
    return False


def _guards(text: str) -> int:
    return sum(token.text in GUARDS for token in tokens_of(text) if token.kind == NAME)


def _is_code(text: str) -> bool:
    """Does the rest of a line do anything, were it not a comment?"""
    return any(
        token.text in KEYWORDS or token.text in GUARDS or (token.kind == OP and token.text in "(=[")
        for token in tokens_of(text)
    )


def _annotates(before: str, after: str) -> bool:
    """Is there an annotation on a changed line that was none? `user:check()` checks nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    if not nodes:
        return False
    old = set(before.splitlines())
    lines = after.splitlines()
    for node in nodes:
        line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
        if line not in old and not any(_says(was, node) for was in difflib.get_close_matches(line, old, 3, 0.3)):
            return True
    return False


def _says(line: str, node: ast.AnnAssign) -> bool:
    target = re.escape(ast.unparse(node.target))
    return re.search(rf"(?<![\w.]){target}[ \t]*:(?!=)", line) is not None


def _is_template(text: str) -> bool:
    """Jinja and its like outside strings and comments: what it makes is Python, maybe; it is none."""
    found = [match.start() for match in _TEMPLATE.finditer(text)]
    if not found:
        return False
    inside = [(t.start, t.end) for t in tokens_of(text) if t.kind in (STRING, COMMENT)]
    return any(not any(low <= at < high for low, high in inside) for at in found)
