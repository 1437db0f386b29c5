"""Python 2 code: the whole file is put into Python 3's syntax, token by token; nothing else of it changes.

Only what no longer parses is touched: print, exec, raise with commas, `except X, e`, backticks, `<>`, octal and long
numbers, ur'' strings, tuple parameters stay for the reader. Semantics (dict.has_key, unicode, …) are not syntax.
"""

import re
from collections.abc import Iterator

from graced.repair.check import Fault
from graced.repair.edits import Candidate, Edit, merged
from graced.repair.lex import BAD, CLOSES, COMMENT, NAME, NEWLINE, NUMBER, OP, OPENS, STRING, Source, Token

SIGNS = (
    "Missing parentheses in call", "multiple exception types must be parenthesized", "leading zeros",
    "invalid decimal literal", "invalid hexadecimal literal", "invalid syntax", "invalid digit",
)  # fmt: skip
"""What CPython 3 says about Python 2 code."""
SURE = -12.0
"""Nats for Python 2 where the interpreter itself says so."""
_EXCEPT = re.compile(r"(?:[\w.]+|\(.*\))$", re.DOTALL)


def candidates(src: Source, fault: Fault) -> Iterator[Candidate]:
    """The file with all its Python 2 syntax translated, if there is any."""
    if not any(sign in fault.message for sign in SIGNS):
        return
    edits = merged(_edits(src))
    if not edits:
        return
    if fault.message.startswith(SIGNS[:2]):  # no doubt about it, whatever the model says
        yield Candidate("python2", SURE, edits, 0.0)
    else:
        yield Candidate("python2", 1.0, edits)


def _edits(src: Source) -> Iterator[Edit]:
    for statement in _statements(src):
        yield from _statement(src.text, statement)
    yield from _literals(src.tokens, src.text)


def _statements(src: Source) -> Iterator[list[Token]]:
    """Simple statements and headers as runs of tokens: cut at newlines outside brackets, `;`, and a header's colon."""
    run: list[Token] = []
    depth = 0
    for line in src.lines:
        if line.logical:
            depth = 0
            if run:
                yield run
                run = []
        for token in src.tokens[line.first : line.stop]:
            if token.kind in (COMMENT, NEWLINE):
                continue
            if token.kind == OP:
                if token.text in OPENS:
                    depth += 1
                elif token.text in CLOSES and depth:
                    depth -= 1
                elif not depth and token.text in ";:" and (token.text == ";" or (run and run[0].text != "lambda")):
                    yield [*run, token]
                    run = []
                    continue
            run.append(token)
    if run:
        yield run


def _statement(text: str, run: list[Token]) -> Iterator[Edit]:
    tail = run[-1] if run[-1].text in (";", ":") else None
    body = run[:-1] if tail is not None else run
    if not body:
        return
    word = body[0].text
    if word in _BY_WORD:
        yield from _BY_WORD[word](text, body)


def _print(text: str, body: list[Token]) -> Iterator[Edit]:
    """`print a, b` · `print >>f, a` · `print a,` · `print` -> a call."""
    word, rest = body[0], body[1:]
    if not rest:
        yield word.end, word.end, "()"
        return
    first = rest[0]
    if (first.kind == OP and first.text in ("=", ".", ",", ")", "+=", ":", "]", "}")) or _is_call(body):
        return
    extra = ""
    if first.text == ">>":
        cuts = _commas(rest)
        stop = cuts[0] if cuts else len(rest)
        target = text[rest[1].start : rest[stop - 1].end] if stop > 1 else ""
        if not target:
            return
        extra = f"file={target}"
        if stop + 1 >= len(rest):
            yield word.end, rest[-1].end, f"({extra})"
            return
        yield word.end, rest[stop + 1].start, "("
        rest = rest[stop + 1 :]
    else:
        yield word.end, first.start, "("
    last = rest[-1]
    if last.text == "," and len(rest) > 1:
        extra = ", ".join(part for part in ("end=' '", extra) if part)
        yield last.start, last.end, f", {extra})"
    else:
        yield last.end, last.end, f", {extra})" if extra else ")"


def _is_call(body: list[Token]) -> bool:
    """`print(...)` and nothing behind it, or an operator that a call may be followed by in Python 3 alike."""
    if body[1].text != "(":
        return False
    depth = 0
    for index, token in enumerate(body[1:], 1):
        depth += (token.text in OPENS) - (token.text in CLOSES)
        if not depth:
            return index + 1 == len(body)
    return True


def _commas(run: list[Token]) -> list[int]:
    """Indices of the commas outside brackets."""
    found, depth = [], 0
    for index, token in enumerate(run):
        depth += (token.text in OPENS) - (token.text in CLOSES)
        if token.text == "," and not depth:
            found.append(index)
    return found


def _except(text: str, body: list[Token]) -> Iterator[Edit]:
    """`except X, e` -> `except X as e`; `except X, Y`, where Y is a class or there are more -> `except (X, Y)`."""
    cuts = _commas(body)
    others = [body[cut + 1].text for cut in cuts if cut + 1 < len(body)]
    if others and cuts[0] > 1 and all(word[:1].isupper() for word in others):
        yield body[1].start, body[1].start, "("
        yield body[-1].end, body[-1].end, ")"
        return
    if len(cuts) == 1 and 1 < cuts[0] < len(body) - 1 and _EXCEPT.match(text[body[1].start : body[cuts[0] - 1].end]):
        yield body[cuts[0]].start, body[cuts[0] + 1].start, " as "


def _raise(text: str, body: list[Token]) -> Iterator[Edit]:
    """`raise E, v` -> `raise E(v)`; a third part, the traceback, -> `.with_traceback(t)`."""
    cuts = _commas(body)
    if not cuts or len(cuts) > 2 or cuts[-1] == len(body) - 1 or cuts[0] < 2:
        return
    first = body[cuts[0] - 1]
    stop = cuts[1] - 1 if len(cuts) == 2 else len(body) - 1
    value = text[body[cuts[0] + 1].start : body[stop].end]
    if value == "None" and first.text == ")":
        new = ""
    elif value == "None":
        new = "()"
    elif value.startswith("(") and value.endswith(")") and len(_commas(body[cuts[0] + 1 : stop + 1])) == 0:
        new = value
    else:
        new = f"({value})"
    if len(cuts) == 2:
        new += f".with_traceback({text[body[cuts[1] + 1].start : body[-1].end]})"
    yield first.end, body[-1].end, new


def _exec(text: str, body: list[Token]) -> Iterator[Edit]:
    """`exec code in a, b` -> `exec(code, a, b)`."""
    if len(body) < 2 or body[1].text in ("=", ".", ",", ")") or _is_call(body):
        return
    yield body[0].end, body[1].start, "("
    depth = 0
    for token in body[1:]:
        depth += (token.text in OPENS) - (token.text in CLOSES)
        if token.text == "in" and not depth:
            at = token.start
            while text[at - 1 : at] in (" ", "\t"):
                at -= 1
            yield at, token.end, ","
    yield body[-1].end, body[-1].end, ")"


_BY_WORD = {"print": _print, "except": _except, "raise": _raise, "exec": _exec}


def _literals(tokens: list[Token], text: str) -> Iterator[Edit]:
    opened: Token | None = None
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == NUMBER and after is not None and after.start == token.end and after.text in ("L", "l"):
            yield after.start, after.end, ""
        if token.kind == NUMBER and re.fullmatch(r"0[0-7]+", token.text) and token.text.strip("0"):
            yield token.start, token.start + 1, "0o"
        elif (
            token.kind == OP
            and token.text == "<"
            and after is not None
            and after.text == ">"
            and after.start == token.end
        ):
            yield token.start, after.end, "!="
        elif (token.kind == STRING and token.text[:2].lower() == "ur") or (
            token.kind == NAME and token.text.lower() == "ur" and after is not None and after.kind == STRING
        ):
            yield token.start, token.start + 1, ""
        elif token.kind == BAD and token.text == "`":
            if opened is None:
                opened = token
            else:
                yield opened.start, opened.end, "repr("
                yield token.start, token.end, ")"
                opened = None
        elif token.kind == NEWLINE:
            opened = None
