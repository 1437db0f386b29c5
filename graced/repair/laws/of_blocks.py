"""Laws of blocks: code runs under the conditions that its indentation says, is reached, and does what it did."""

import ast
import difflib
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

from graced.repair.edits import Candidate
from graced.repair.laws.law import Law
from graced.repair.lex import Source

CONDITIONS: Final = frozenset(("if", "elif", "else", "while", "try", "except", "finally", "case", "unless", "until"))
"""Headers that decide whether what is below them runs."""


def of_conditions(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """Lines that stand under other conditions than the indentation said, where that was one that can be read."""
    if not any(_moves(step) for step in steps):
        return None
    old, new = Source(before), Source(after)
    was, now = _chains(old, _readable(old, new)), _chains(new)
    lines: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for index, chain in was:
        lines.setdefault(_line(old, index), []).append((index, chain))
    moved = 0
    for index, chain in now:
        earlier = lines.get(_line(new, index))
        if not earlier:
            continue
        if len(earlier) > 1 and any(c == chain for _, c in earlier):
            continue
        before_chain = earlier[0][1]
        if before_chain == chain:
            continue
        if len(chain) > len(before_chain) and chain[: len(before_chain)] == before_chain:
            header = chain[-1]
            if header.split(" ")[0].rstrip(":") not in CONDITIONS:
                continue
        moved += 1
    return Law("condition", "code would run under another condition") if moved else None


def _moves(step: Candidate) -> bool:
    return step.rule.startswith(("indent", "missing_indent", "tabs", "doubled_header", "missing_newline"))


def _line(src: Source, index: int) -> str:
    line = src.lines[index]
    return src.text[line.start : line.end].strip()


def _readable(old: Source, new: Source) -> dict[int, int]:
    """Of lines whose indentation Python cannot read, by their index: the width that the repair gave them."""
    given: dict[str, int] = {}
    for line in new.lines:
        if line.logical:
            given.setdefault(new.text[line.start : line.end].strip(), line.width)
    found: dict[int, int] = {}
    open_ = [0]
    opens = False
    for index, line in enumerate(old.lines):
        if not line.logical:
            continue
        width = line.width
        if (width > open_[-1] and not opens) or (width < open_[-1] and width not in open_):
            width = found[index] = given.get(_line(old, index), width)
        while open_[-1] > width:
            open_.pop()
        if width > open_[-1]:
            open_.append(width)
        code = old.code(old.logical_end(index))
        opens = bool(code) and code[-1].text == ":"
    return found


def _chains(src: Source, widths: dict[int, int] | None = None) -> list[tuple[int, tuple[str, ...]]]:
    """Each statement's line with the conditions that it stands under, by indentation, outermost first.

    `widths` are the indentations to go by where they are not those of the text.
    """
    found: list[tuple[int, tuple[str, ...]]] = []
    open_: list[tuple[int, str]] = []
    for index, line in enumerate(src.lines):
        if not line.logical:
            continue
        width = line.width if widths is None else widths.get(index, line.width)
        while open_ and open_[-1][0] >= width:
            open_.pop()
        found.append((index, tuple(text for _, text in open_ if text)))
        word = src.first_word(index)
        code = src.code(src.logical_end(index))
        if code and code[-1].text == ":":
            open_.append((width, _line(src, index) if word in CONDITIONS else ""))
    return found


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def does_nothing(text: str) -> bool:
    """Is the whole program bare names and constants?"""
    tree = _tree(text)
    return tree is not None and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Constant | ast.Tuple) for node in tree.body
    )


def of_reach(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """Statements near a change that follow a return, raise, break or continue in the same block."""
    tree = _tree(after)
    if tree is None:
        return None
    changed = set(_changed_lines(before, after))
    if not changed:
        return None
    if any(isinstance(node, ast.Expr) and node.lineno in changed and _is_idle(node.value) for node in ast.walk(tree)):
        return Law("made_up", "a statement would do nothing")
    low, high = min(changed) - 1, max(changed) + 1
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody", "handlers"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for first, second in itertools.pairwise(block):
                if not isinstance(first, ast.Return | ast.Raise | ast.Break | ast.Continue):
                    continue
                if low <= getattr(second, "lineno", 0) <= high or low <= first.lineno <= high:
                    return Law("unreachable", "code would never be reached")
    return None


def _is_idle(value: ast.expr) -> bool:
    """An expression that does nothing as a statement, but is neither a text nor `...`."""
    if isinstance(value, ast.Compare):
        return True
    if isinstance(value, ast.Constant):
        return not isinstance(value.value, str) and value.value is not ...
    acts = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.ListComp, ast.JoinedStr)
    return not any(isinstance(node, acts) for node in ast.walk(value)) and isinstance(
        value, ast.Name | ast.Tuple | ast.BinOp | ast.BoolOp | ast.UnaryOp
    )


def _changed_lines(before: str, after: str) -> Iterator[int]:
    """Line numbers of `after`, from 1, that are new or differ."""
    old, new = before.splitlines(), after.splitlines()
    low = 0
    while low < min(len(old), len(new)) and old[low] == new[low]:
        low += 1
    high = 0
    while high < min(len(old), len(new)) - low and old[-1 - high] == new[-1 - high]:
        high += 1
    middle = new[low : len(new) - high]
    if len(middle) > 2000:
        yield from range(low + 1, low + 1 + len(middle))
        return
    matcher = difflib.SequenceMatcher(None, old[low : len(old) - high], middle, autojunk=False)
    for tag, _, _, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield from range(low + c + 1, low + max(d, c + 1) + 1)


def of_annotations(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """An annotation on a changed line that was none: `user:check()` checks nothing."""
    if not any(":" in new for step in steps for _, _, new in step.edits):
        return None
    if all(step.rule in ("missing_annotation", "missing_colon") for step in steps):
        return None
    tree = _tree(after)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)] if tree is not None else []
    if not nodes:
        return None
    old = set(before.splitlines())
    lines = after.splitlines()
    for node in nodes:
        line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
        if line not in old and not any(_says(was, node) for was in difflib.get_close_matches(line, old, 3, 0.3)):
            return Law("annotation", "a statement would become an annotation")
    return None


def _says(line: str, node: ast.AnnAssign) -> bool:
    target = re.escape(ast.unparse(node.target))
    return re.search(rf"(?<![\w.]){target}[ \t]*:(?!=)", line) is not None
