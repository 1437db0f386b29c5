"""Laws of lines: what a rule alone does not tell, but the line that it edits and its place in the file do."""

import re
from collections.abc import Sequence
from typing import Final

from graced.repair.edits import Candidate, applied
from graced.repair.laws.law import Law
from graced.repair.lex import NAME, NUMBER, OP, Token, all_tokens

GUESSED: Final = frozenset(("missing_operator", "missing_word", "wrong_token"))
DECIDING: Final = frozenset(
    ("and", "or", "not", "is", "in", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "|", "&", "**", "//")
)
CLOSING: Final = frozenset(
    ("missing_close", "missing_quote", "missing_triple", "triple", "fstring_brace", "wrong_quote", "unescaped_quote")
)
_SECRET: Final = re.compile(
    r"[ \t]*[\w.\[\]\"']*?(?:pass(?:word|wd|phrase)|secret|(?<![a-z])token(?![a-z])|api_?key|credential|private_?key)"
    r"\w*[\"'\]]*[ \t]*[=:](?!=)",
    re.IGNORECASE,
)
_CALLED_TWICE: Final = re.compile(r"\b(\w+)\(\1\(")
_HEADLESS: Final = re.compile(
    r"[ \t]+(?:[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*,?[ \t]*(?:#.*)?$"
    r"|[rRuU]?(?:\"\"\"|''')|(?:async[ \t]+)?def[ \t]+\w+\([ \t]*(?:self|cls)\b)"
)
_ASSIGNED: Final = re.compile(r"[ \t]*[\w.\[\]\"']+[ \t]*(?::[^=]*)?=[ \t]*[rRbBuUfF]{0,2}(?:\"[^\"]*|'[^']*)$")


def of_lines(before: str, after: str, steps: Sequence[Candidate]) -> Law | None:
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
            if (
                step.rule == "missing_close"
                and base[:start].rstrip()[-1:] in ("(", "[", "{")
                and not base[start:stop].strip()
            ):
                return Law("torn", "a call breaks off, and nobody knows how it went on")
            if step.rule == "missing_close" and _mixes(base, start):
                return Law("made_up", "where a bracket of arithmetic ends, nobody knows")
            if step.rule == "wrong_token" and (base[start:end] == ":" or (base[start:end], new.strip()) == (",", ".")):
                return Law("operator", f"`{base[start:end]}` was changed")
            if step.rule == "reserved_word" and word in ("import", "from"):
                return Law("made_up", "how a module is called now, nobody knows")
            if step.rule == "restored" and _NAME.search(base[start:end]) and not _NAME.search(new):
                return Law("word", "what the last change put in would be lost")
            if step.rule == "missing_operator" and _TWO_WORDS.fullmatch(line.split("#")[0].strip()):
                return Law("made_up", "two words that stand side by side may mean anything")
            if step.rule == "delete_token" and _NAME.fullmatch(base[start:end]):
                return Law("word", f"`{base[start:end]}` was taken out")
            if step.rule == "delete_token" and base[start:end] in ("$", "€", "£") and base[end : end + 1].isdigit():
                return Law("literal", f"`{base[start:end]}` was taken out")
            if step.rule == "missing_comma" and new.strip() == "," and _makes_tuple(base, start, word):
                return Law("made_up", "one value would become two")
            if step.rule == "prose" and _CODE.match(line):
                return Law("silenced", "code would no longer run")
            if step.rule == "missing_close" and _CALLED_TWICE.search(line):
                return Law("made_up", "a bracket is missing, or a call stands twice")
            if step.rule == "missing_close" and _swallows(base, start):
                return Law("torn", "a line that is a statement of its own would become a part of the one before")
            if step.rule == "wrong_close" and _could_be_either(base, start):
                return Law("made_up", "either of two brackets may be the wrong one")
        base = applied(base, step.edits)
    return None


_TWO_WORDS: Final = re.compile(r"[A-Za-z_]\w* +[A-Za-z_]\w*")
_NAME: Final = re.compile(r"[^\W\d]\w{2,}")
_CODE: Final = re.compile(
    r"[ \t]*(?:[\w.\[\]]+[ \t]*[-+*/]?=(?!=)|(?:if|elif|while|for|with|return|raise|assert|yield|await)\b.*[:()]"
    r"|[\w.]+\()"
)
LISTING: Final = frozenset(
    ("for", "import", "from", "global", "nonlocal", "assert", "del", "with", "raise", "print", "except", "lambda")
)
"""Words whose statements have commas outside brackets."""
TYPES: Final = frozenset(("int", "float", "double", "str", "bool", "char", "long", "bytes", "list", "dict", "object"))


def _makes_tuple(text: str, at: int, word: str) -> bool:
    """Would a comma at `at` make one value two: outside brackets, between numbers, behind a type of a parameter?"""
    left = [token for token in all_tokens(text) if token.end <= at][-1:]
    right = [token for token in all_tokens(text) if token.start >= at][:1]
    if left and right and (left[0].kind == right[0].kind == NUMBER or (word == "def" and left[0].text in TYPES)):
        return True
    return word not in LISTING and not _depth(text, at)


def _mixes(text: str, at: int) -> bool:
    """Are sums and products both in the bracket that closes at `at`, which is no call's?"""
    opened: list[tuple[Token, Token | None]] = []
    last: Token | None = None
    for token in all_tokens(text):
        if token.start >= at:
            break
        if token.kind == OP and token.text in "([{":
            opened.append((token, last))
        elif token.kind == OP and token.text in ")]}" and opened:
            opened.pop()
        last = token
    if not opened:
        return False
    opener, owner = opened[-1]
    if opener.text != "(" or (owner is not None and owner.end == opener.start and owner.kind == NAME):
        return False
    stop = text.find("\n", at)
    inside = {t.text for t in all_tokens(text) if opener.end <= t.start < (stop if stop >= 0 else len(text))}
    return bool(inside & {"+", "-"}) and bool(inside & {"*", "/", "//", "%", "**"})


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
