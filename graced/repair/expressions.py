"""Expressions that beginners write, and those of other languages: comparisons, conditions, yields, missing `+`."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from graced.repair.edits import Candidate
from graced.repair.lex import CLOSES, HEADERS, KEYWORDS, NAME, NUMBER, OP, OPENS, STRING, Token
from graced.repair.site import Site

COMPARES: Final = frozenset(("<", ">", "<=", ">=", "==", "!="))
_TERNARY: Final = re.compile(r"^(?P<cond>[^?\n]+?)\s*\?\s*(?P<yes>[^:?\n]+?)\s*:\s*(?P<no>[^:?\n]+?)(?P<end>[;,)\s]*)$")
_IF_THEN: Final = re.compile(r"^if\s+(?P<cond>.+?)\s+then\s+(?P<yes>.+?)\s+else\s+(?P<no>.+?)(?P<end>\s*)$")


def candidates(site: Site) -> Iterator[Candidate]:
    if site.tokens:
        for way in _WAYS:
            yield from way(site)


def _half_compare(site: Site) -> Iterator[Candidate]:
    """`if x > 5 and < 10`: the left side is said once for both."""
    tokens = site.tokens
    for index in range(2, len(tokens) - 1):
        if tokens[index].text in ("and", "or") and tokens[index + 1].text in COMPARES:
            for left in range(index - 1, 0, -1):
                if tokens[left].text in COMPARES:
                    break
            else:
                continue
            start = left - 1
            while start > 0 and (tokens[start - 1].text == "." or tokens[start].text == "."):
                start -= 1
            if tokens[start].kind == NAME and tokens[start].text not in KEYWORDS:
                subject = site.text[tokens[start].start : tokens[left].start].strip()
                at = tokens[index + 1].start
                yield Candidate("half_compare", -6.0, ((at, at, subject + " "),), 0.0)


def _not_equal(site: Site) -> Iterator[Candidate]:
    """`if len(x) not 4`, `if x not None`, `if x not y`."""
    for left, word, right in zip(site.tokens, site.tokens[1:], site.tokens[2:], strict=False):
        if word.text != "not" or left.text in KEYWORDS or (left.kind == OP and left.text not in ")]}"):
            continue
        if right.kind in (STRING, NUMBER):
            yield Candidate("not_equal", -5.0, ((word.start, word.end, "!="),), 0.0)
        elif right.text in ("None", "True", "False"):
            yield Candidate("not_equal", -5.0, ((word.start, word.end, "is not"),), 0.0)


def _comprehended(site: Site) -> Iterator[Candidate]:
    """`[v if v > 0 for v in values]`: the condition goes to the end."""
    tokens = site.tokens
    for index, token in enumerate(tokens):
        if token.text != "if" or index < 2:
            continue
        depth, for_at, stop, otherwise = 0, 0, 0, False
        for at in range(index + 1, len(tokens)):
            word = tokens[at]
            if word.text in OPENS and word.kind == OP:
                depth += 1
            elif word.text in CLOSES and word.kind == OP:
                if not depth:
                    stop = at
                    break
                depth -= 1
            elif not depth and word.text == "for" and not for_at:
                for_at = at
            elif not depth and word.text == "else":
                otherwise = True
        if for_at and stop and not otherwise:
            condition = site.text[token.start : tokens[for_at - 1].end]
            edits = (
                (tokens[index - 1].end, tokens[for_at - 1].end, ""),
                (tokens[stop].start, tokens[stop].start, " " + condition),
            )
            yield Candidate("comprehension_if", -6.0, edits, 0.0)


def _walrus(site: Site) -> Iterator[Candidate]:
    """`if (m = f()) is not None`: a name that is new is bound, one that is known is compared; `x := 1` as statement."""
    tokens = site.tokens
    if len(tokens) > 2 and tokens[1].text == ":=" and tokens[0].kind == NAME:
        yield Candidate("walrus", -1.0, ((tokens[1].start, tokens[1].end, "="),), 0.0)
    if tokens[0].text not in ("if", "elif", "while", "return", "assert") and not site.said(":="):
        return
    for index in range(1, len(tokens) - 2):
        if (
            tokens[index].text != "="
            or tokens[index - 1].kind != NAME
            or tokens[index - 2].text not in ("(", "if", "while", "and", "or", "not")
        ):
            continue
        name = tokens[index - 1].text
        called = (
            tokens[index - 2].text == "("
            and index > 2
            and tokens[index - 3].kind == NAME
            and tokens[index - 3].text not in KEYWORDS
        )
        before = any(t.text == name and t.kind == NAME for t in site.src.tokens[: site.src.lines[site.low].first])
        value = any(t.text == "(" for t in tokens[index + 1 :]) and tokens[index + 1].kind == NAME
        if not called and not before and value:
            new = ":=" if site.text[tokens[index].start - 1] == " " else " := "
            bare = tokens[index - 2].text != "("
            cost = 0.0 if not bare else 1.0
            yield Candidate("walrus", cost - 6.0, ((tokens[index].start, tokens[index].end, new),), 0.0)


def _stray_colon(site: Site) -> Iterator[Candidate]:
    """`x = f():` and `return x:` with nothing below that is deeper: the colon goes."""
    tokens, src = site.tokens, site.src
    if len(tokens) < 3 or tokens[-1].text != ":" or tokens[0].text in HEADERS:
        return
    below = src.next_logical(site.high)
    if below is None or src.lines[below].width <= src.lines[site.low].width:
        yield Candidate("stray_colon", -3.0, ((tokens[-1].start, tokens[-1].end, ""),))


def _yielded(site: Site) -> Iterator[Candidate]:
    """`f(yield x)`, `return yield x`, `a + yield x`: a yield that is part of an expression needs parentheses."""
    tokens = site.tokens
    for index in range(1, len(tokens)):
        if tokens[index].text != "yield" or tokens[index - 1].text in ("=", ";", ":"):
            continue
        depth, stop = 0, len(tokens) - 1
        for at in range(index + 1, len(tokens)):
            if tokens[at].text in OPENS and tokens[at].kind == OP:
                depth += 1
            elif tokens[at].text in CLOSES and tokens[at].kind == OP:
                if not depth:
                    stop = at - 1
                    break
                depth -= 1
            elif tokens[at].text in (",", ":", ";") and not depth and tokens[at].kind == OP:
                stop = at - 1
                break
        start, end = tokens[index].start, tokens[stop].end
        yield Candidate("bare_yield", -8.0, ((start, start, "("), (end, end, ")")), 0.0)


def _concatenated(site: Site) -> Iterator[Candidate]:
    """`"a" + str(n) "b"`: where `+` joins strings already, one is missing."""
    tokens = site.tokens
    for index in range(1, len(tokens)):
        left, right = tokens[index - 1], tokens[index]
        if (
            STRING not in (left.kind, right.kind)
            or left.end == right.start
            or "\n" in site.text[left.end : right.start]
        ):
            continue
        if not _is_operand_end(left) or not (right.kind in (STRING, NAME) and right.text not in KEYWORDS):
            continue
        if left.kind == STRING and right.kind == STRING:
            continue
        if _joins(tokens, index):
            yield Candidate("missing_plus", -6.0, ((left.end, left.end, " +"),))


def _is_operand_end(token: Token) -> bool:
    return (
        token.kind in (STRING, NUMBER)
        or token.text in (")", "]")
        or (token.kind == NAME and token.text not in KEYWORDS)
    )


def _joins(tokens: list[Token], index: int) -> bool:
    """Is there a `+` in the same argument, beside a string?"""
    for step in (-1, 1):
        depth, at = 0, index if step > 0 else index - 1
        while 0 <= at < len(tokens):
            text = tokens[at].text
            if tokens[at].kind == OP:
                depth += (text in (OPENS if step > 0 else CLOSES)) - (text in (CLOSES if step > 0 else OPENS))
                if depth < 0 or (text in (",", "=", ":") and not depth):
                    break
                if text == "+" and not depth:
                    return True
            at += step
    return False


def _ternary(site: Site) -> Iterator[Candidate]:
    """`c ? a : b`, and `return if c then a else b`."""
    first, last = site.tokens[0], site.tokens[-1]
    begin = first.start
    if first.text == "return" or (len(site.tokens) > 2 and site.tokens[1].text == "="):
        begin = site.tokens[1 if first.text == "return" else 2].start if len(site.tokens) > 2 else begin
    text = site.text[begin : last.end]
    match = _IF_THEN.match(text)
    if match is None and "?" in text:
        match = _TERNARY.match(text)
        opened = [t for t in site.tokens if t.start >= begin and t.text == "(" and t.kind == OP]
        if match is None or (match["end"].strip().startswith(")") and opened):
            inner = opened[0].end if opened else begin
            match, begin = _TERNARY.match(site.text[inner : last.end]), inner
    if match is not None and all(_even(match[part]) for part in ("cond", "yes", "no")):
        condition = match["cond"].replace("&&", " and ").replace("||", " or ")
        new = f"{match['yes']} if {condition} else {match['no']}{match['end'].rstrip(';')}"
        yield Candidate("ternary", -2.0, ((begin, last.end, new),), 0.0)


def _even(text: str) -> bool:
    return all(text.count(a) == text.count(b) for a, b in OPENS.items()) and bool(text.strip())


_WAYS: Final[tuple[Callable[[Site], Iterator[Candidate]], ...]] = (
    _half_compare, _not_equal, _comprehended, _walrus, _stray_colon, _yielded, _concatenated, _ternary,
)  # fmt: skip
