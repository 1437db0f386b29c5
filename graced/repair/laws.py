"""Laws: what a repair may do to a program only where a person says so, however sure it is.

`broken_law` compares the text that a search began with and the one it ended with, token by token and block by block.
What breaks a law is suggested, never applied. The names of the laws are features of the confidence, too.
"""

import ast
import difflib
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from graced.repair.edits import Candidate, applied
from graced.repair.lex import (
    BADSTR,
    COMMENT,
    JUMPS,
    KEYWORDS,
    NAME,
    NEWLINE,
    NUMBER,
    OP,
    STRING,
    Source,
    Token,
    all_tokens,
)
from graced.repair.pasted import RULES as PASTED


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

OPERATORS: Final = frozenset(
    (
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "@",
        "**",
        "<<",
        ">>",
        "&",
        "|",
        "^",
        "~",
        "<",
        ">",
        "<=",
        ">=",
        "==",
        "!=",
        "+=",
        "-=",
        "*=",
        "/=",
        "...",
    )
)
MARKS: Final = frozenset(("=", ".", "->", ":="))
"""Marks that say what is meant as operators do."""
WORDS: Final = KEYWORDS - {"pass", "as", "from", "import"}
"""Keywords that say what a program does."""
CONDITIONS: Final = frozenset(("if", "elif", "else", "while", "except", "finally", "case", "unless", "until"))
"""Headers that decide whether what is below them runs."""
SILENCING: Final = frozenset(("commented_out", "commented_lines", "orphan_clause", "late_comment"))
CONFLICT: Final = frozenset(("conflict_ours", "conflict_theirs", "conflict_both"))
TORN: Final = frozenset(("truncated", "truncated_deep", "torn_tail"))
MADE_UP: Final = {
    "missing_value": "a value is missing, and nobody knows which",
    "missing_body": "a body is missing",
    "missing_except": "an `except` is missing",
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
PYTHON2_LITERAL: Final = re.compile(r"0[oO]?[0-7]+$")
_MARKER: Final = re.compile(r"(?:<{7}|>{7}|={7})(?:[ \t]|$)")
_SECRET: Final = re.compile(
    r"[ \t]*[\w.\[\]\"']*?(?:pass(?:word|wd|phrase)|secret|(?<![a-z])token(?![a-z])|api_?key|credential|private_?key)\w*[\"'\]]*[ \t]*[=:](?!=)",
    re.IGNORECASE,
)
HOLE_MIN: Final = 2
"""NULs in a row that are a hole in the file, where they are not its padding."""
MIDDLE_MAX: Final = 4000
"""Tokens that differ between two texts and are compared one by one."""


def broken_law(raw: str, before: str, text: str, steps: Sequence[Candidate]) -> Law | None:
    """The first law that the repair of `before` to `text` by `steps` breaks; `raw` still has its NULs."""
    if _has_hole(raw):
        return Law("hole", "a part of the file was lost to NULs")
    rules = {step.rule for step in steps}
    for names, law, why in _BY_RULE:
        if rules & names:
            return Law(law, why)
    for rule in rules & MADE_UP.keys():
        return Law("made_up", MADE_UP[rule])
    base = before
    todo = list(steps)
    while todo and (todo[0].rule in PASTED or todo[0].rule.startswith(("conflict", "python2", "brace_block"))):
        if todo[0].rule == "python2" and _only_octal(base, todo[0]):
            return Law("literal", MADE_UP["octal"])
        base = applied(base, todo.pop(0).edits)
    if "marker" in rules and len({line[:1] for line in before.splitlines() if _MARKER.match(line)}) > 1:
        return Law("conflict", "what is left of a merge conflict is for a person to decide")
    if not todo:
        return None
    exempt = all(step.rule in SPELT for step in todo)
    if _does_nothing(text):
        return Law("made_up", "nothing in it would do anything")
    for check in (_of_tokens, _of_lines, _of_conditions, _of_reach, _of_annotations):
        if not (exempt and check is _of_tokens):
            law = check(base, text, todo)
            if law is not None:
                return law
    return None


_BY_RULE: Final = (
    (CONFLICT, "conflict", "a merge conflict is for a person to decide"),
    (SILENCING, "silenced", "code would no longer run"),
    (TORN, "torn", "the file breaks off, and nobody knows how it went on"),
)


def _has_hole(raw: str) -> bool:
    """NULs in a row, that are not what pads the file behind the newline that ends it."""
    if "\0" * HOLE_MIN not in raw:
        return False
    body = raw.rstrip("\0")
    if "\0" * HOLE_MIN in body:
        return True
    return not body.endswith("\n") or body.endswith(("\n\n", "\n\r\n"))


def _only_octal(text: str, step: Candidate) -> bool:
    return all(new == "0o" or PYTHON2_LITERAL.match(text[start:end]) for start, end, new in step.edits)


def _of_tokens(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """What was deleted or changed, and was not put in again beside it or stands there twice."""
    spelt = {step.rule for step in steps} & SPELT
    for old, new, left, right in changes(before, after):
        gone = _gone(old, new) if _raw(old) != _raw(new) else ()  # the same letters, in other quotes
        for index, token in gone:
            around = {
                left,
                right,
                *(t.text for t in old[max(0, index - 1) : index]),
                *(t.text for t in old[index + 1 : index + 2]),
            }
            if token.text in around:
                continue
            if token.kind in (STRING, BADSTR) and not spelt:
                was, now = _content(old), _content(new)
                if was != now and not (token.kind == BADSTR and _raw(new) and _raw(old).startswith(_raw(new))):
                    return Law("text", "the content of a string changed")
            if token.kind == NUMBER and not spelt:
                return Law("literal", f"`{token.text}` was taken out or changed")
            if token.text == "." and any(t.text == "," for t in new):
                continue
            if (
                token.kind == OP
                and token.text in OPERATORS | MARKS
                and not spelt
                and not any(token.text in t.text or t.text in token.text for t in new)
            ):
                return Law("operator", f"`{token.text}` was taken out or changed")
            if token.kind == NAME and token.text in WORDS and not spelt:
                return Law("word", f"`{token.text}` was taken out or changed")
        for token in new:
            if token.kind == STRING and _SWALLOWED.search(token.text[1:-1]) and any(t.kind == BADSTR for t in old):
                return Law("text", "code would become a part of a string")
        if not spelt and (law := _of_inserted(old, new, left)) is not None:
            return law
    return None


def _of_inserted(old: list[Token], new: list[Token], left: str) -> Law | None:
    """Values and comparisons that came from nowhere."""
    had = {token.text for token in old}
    for token in new:
        if token.kind == NAME and token.text in ("None", "True", "False") and token.text not in had and left != ".":
            return Law("made_up", MADE_UP["missing_value"])
    return None


def _of_lines(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """What the rule alone does not tell: in what kind of line it edits, and where in the file."""
    base = before
    for step in steps:
        for start, end, new in step.edits:
            at = base.rfind("\n", 0, start) + 1
            stop = base.find("\n", end)
            line = base[at : stop if stop >= 0 else len(base)]
            if _SECRET.match(line) and step.rule not in ("indent_line", "missing_comma"):
                return Law("secret", "a secret is at stake, and nobody knows how it goes")
            word = line.split()[0].rstrip(":(") if line.split() else ""
            decides = word in ("if", "elif", "while", "assert", "return", "unless") or " if " in line
            if step.rule in GUESSED and new.strip() in DECIDING and decides and base[start:end] != "=":
                return Law("made_up", "an operator of a condition is missing, and nobody knows which")
            last = not any(part.strip() and not part.strip().startswith("#") for part in base[end:].split("\n"))
            if step.rule == "body_commented" and last:
                return Law("torn", "the file breaks off, and nobody knows how it went on")
            if step.rule.startswith("indent") and not new and _HEADLESS.match(line):
                return Law("torn", "what it belongs to is missing above it")
            if step.rule in CLOSING and last and (line[:1].isspace() or not base.endswith(("\n", "\r"))):
                return Law("torn", "the file breaks off, and nobody knows how it went on")
            if step.rule == "missing_quote" and start >= at + len(line.rstrip()) and _ASSIGNED.match(line):
                return Law("torn", "a value breaks off, and nobody knows how it went on")
            if (
                step.rule == "delete_token"
                and base[start:end] == ":"
                and (_depth(base, start) or not _ends_line(line, end - at))
            ):
                return Law("operator", "`:` was taken out")
            if step.rule == "missing_close" and _CALLED_TWICE.search(line):
                return Law("made_up", "a bracket is missing, or a call stands twice")
            if step.rule == "missing_close" and _swallows(base, start):
                return Law("torn", "a line that is a statement of its own would become a part of the one before")
            if step.rule == "wrong_close" and _could_be_either(base, start):
                return Law("made_up", "either of two brackets may be the wrong one")
        base = applied(base, step.edits)
    return None


GUESSED: Final = frozenset(("missing_operator", "missing_word", "wrong_token"))
DECIDING: Final = frozenset(
    ("and", "or", "not", "is", "in", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "|", "&", "**", "//")
)
CLOSING: Final = frozenset(
    ("missing_close", "missing_quote", "missing_triple", "triple", "fstring_brace", "wrong_quote", "unescaped_quote")
)
_SWALLOWED: Final = re.compile(r"[\"']\s*[+%]\s*[\w(\"']|\w\s*\+\s*\\?[\"']|[\"'],\s*[\w\"'(]|[\"']\)\s*$")


_CALLED_TWICE: Final = re.compile(r"\b(\w+)\(\1\(")
_HEADLESS: Final = re.compile(
    r"[ \t]+(?:[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*,?[ \t]*(?:#.*)?$|[rRuU]?(?:\"\"\"|''')|(?:async[ \t]+)?def[ \t]+\w+\([ \t]*(?:self|cls)\b)"
)
_ASSIGNED: Final = re.compile(r"[ \t]*[\w.\[\]\"']+[ \t]*(?::[^=]*)?=[ \t]*[rRbBuUfF]{0,2}(?:\"[^\"]*|'[^']*)$")


def _depth(text: str, at: int) -> int:
    """Open brackets at an offset."""
    depth = 0
    for token in all_tokens(text):
        if token.start >= at:
            break
        if token.kind == OP:
            depth = max(0, depth + (token.text in "([{") - (token.text in ")]}"))
    return depth


def _ends_line(line: str, at: int) -> bool:
    """Is there nothing but a comment behind column `at`?"""
    return not line[at:].split("#")[0].strip()


def _swallows(text: str, at: int) -> bool:
    """Does a bracket that closes at `at` take in lines that begin where its own statement does, and are statements?"""
    opened: list[int] = []
    for token in all_tokens(text):
        if token.start >= at:
            break
        if token.kind == OP and token.text in "([{":
            opened.append(token.start)
        elif token.kind == OP and token.text in ")]}" and opened:
            opened.pop()
    if not opened:
        return False
    start = text.rfind("\n", 0, opened[-1]) + 1
    indent = len(text[start:].split("\n", 1)[0]) - len(text[start:].split("\n", 1)[0].lstrip())
    inside = text[opened[-1] : at].split("\n")[1:]
    return any(
        line.strip()
        and len(line) - len(line.lstrip()) <= indent
        and line.strip()[0].isalpha()
        and not line.rstrip().endswith(",")
        for line in inside
    )


def _could_be_either(text: str, at: int) -> bool:
    """Is the bracket that should close at `at` one of arithmetic: neither a call's nor one with commas?"""
    opened: list[Token] = []
    before: list[Token | None] = []
    last: Token | None = None
    commas = 0
    for token in all_tokens(text):
        if token.start >= at:
            break
        if token.kind == OP and token.text in "([{":
            opened.append(token)
            before.append(last)
            commas = 0
        elif token.kind == OP and token.text in ")]}" and opened:
            opened.pop()
            before.pop()
        elif token.text == ",":
            commas += 1
        last = token
    if not opened:
        return False
    owner = before[-1]
    called = owner is not None and owner.end == opened[-1].start and (owner.kind == NAME or owner.text in (")", "]"))
    return opened[-1].text == "(" and not called and not commas


def _gone(old: list[Token], new: list[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens of `old` that `new` has not, in order."""
    matcher = difflib.SequenceMatcher(None, [t.text for t in old], [t.text for t in new], autojunk=False)
    for tag, low, high, _, _ in matcher.get_opcodes():
        if tag in ("replace", "delete"):
            yield from ((index, old[index]) for index in range(low, high))


def _content(tokens: list[Token]) -> str:
    """The letters and signs of tokens that are neither quotes nor brackets nor blanks."""
    return "".join(
        re.sub(r"[\s\"'\\(){}\[\],:;#]|(?<![\w])[rRbBuUfF]{1,2}(?=[\"'])", "", token.text) for token in tokens
    )


def _raw(tokens: list[Token]) -> str:
    return "".join(re.sub(r"[\s\"'\\]", "", token.text) for token in tokens)


def changes(before: str, after: str) -> Iterator[tuple[list[Token], list[Token], str, str]]:
    """(old tokens, new tokens, the token's text left of them, the one right of them) where two texts differ."""
    old = [t for t in all_tokens(before) if t.kind not in (COMMENT, NEWLINE)]
    new = [t for t in all_tokens(after) if t.kind not in (COMMENT, NEWLINE)]
    low = 0
    while low < min(len(old), len(new)) and old[low].text == new[low].text:
        low += 1
    high = 0
    while high < min(len(old), len(new)) - low and old[-1 - high].text == new[-1 - high].text:
        high += 1
    first, second = old[low : len(old) - high], new[low : len(new) - high]
    if not first and not second:
        return
    lead = old[low - 1].text if low else ""
    trail = old[len(old) - high].text if high else ""
    if len(first) + len(second) > MIDDLE_MAX:
        yield first[:MIDDLE_MAX], second[:MIDDLE_MAX], lead, trail
        return
    matcher = difflib.SequenceMatcher(None, [t.text for t in first], [t.text for t in second], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield (
                first[a:b],
                second[c:d],
                first[a - 1].text if a else lead,
                first[b].text if b < len(first) else trail,
            )


def _of_conditions(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """Lines that stand under other conditions than the indentation said, where that was one that can be read."""
    if not any(_moves(step) for step in steps):
        return None
    old, new = Source(before), Source(after)
    was, now = _chains(old, _readable(old, new)), _chains(new)
    lines = {}
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


def _does_nothing(text: str) -> bool:
    """Is the whole program bare names and constants?"""
    tree = _tree(text)
    return tree is not None and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Constant | ast.Tuple) for node in tree.body
    )


def _of_reach(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
    """Statements near a change that follow a return, raise, break or continue in the same block."""
    tree = _tree(after)
    if tree is None:
        return None
    changed = set(_changed_lines(before, after))
    if not changed:
        return None
    low, high = min(changed) - 1, max(changed) + 1
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody", "handlers"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for first, second in zip(block, block[1:], strict=False):
                if isinstance(first, ast.Return | ast.Raise | ast.Break | ast.Continue) and hasattr(second, "lineno"):
                    if low <= second.lineno <= high or low <= first.lineno <= high:
                        return Law("unreachable", "code would never be reached")
    return None


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


def _of_annotations(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
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


__all__ = ["JUMPS", "NAMES", "Law", "broken_law", "changes"]
