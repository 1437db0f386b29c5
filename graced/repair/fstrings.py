"""f-strings whose fields lack a brace or a bracket, or have one too many. The rest of the string is kept as it is.

What is inside is seen as Python 3.11 sees it: one token for the string. Newer Pythons complain in other words, at the
same place.
"""

import re
from collections.abc import Iterator
from typing import Final

from graced.repair.edits import Candidate
from graced.repair.lex import CLOSES, OPENS, STRING, Token
from graced.repair.site import Site

_PREFIX: Final = re.compile(r"(?:[fF][rR]?|[rR][fF])(\"\"\"|'''|\"|')")
_FIELD_END: Final = re.compile(r"[\w\])\"']")
NEAR: Final = 40
"""Tokens around the fault among which f-strings are looked at."""
PLACES: Final = 12
"""Places tried for one missing brace."""


def candidates(site: Site) -> Iterator[Candidate]:
    if not any(token.kind == STRING and token.text[:1] in "fFrR" for token in site.tokens):
        return
    close = site.tokens[max(0, site.here - NEAR) : site.there + NEAR]
    near = [t for t in close if t.kind == STRING and _PREFIX.match(t.text)]
    if not (site.said("f-string") or any(_broken(t.text) for t in near)):
        return
    for token in near:
        yield from _braces(site, token)
        yield from _brackets(token)


def _body(token: Token) -> tuple[int, int]:
    """Offsets of what is between the quotes, within the token."""
    match = _PREFIX.match(token.text)
    assert match is not None
    return match.end(), len(token.text) - len(match.group(1))


def _broken(text: str) -> bool:
    return _walk(text, *_span(text))[2] is not None or bool(_walk(text, *_span(text))[1])


def _span(text: str) -> tuple[int, int]:
    match = _PREFIX.match(text)
    assert match is not None
    return match.end(), len(text) - len(match.group(1))


def _walk(text: str, at: int, end: int) -> tuple[list[tuple[int, int]], list[int], int | None]:
    """(fields as (open, close), stray closing braces, the opening brace that is not closed)."""
    fields: list[tuple[int, int]] = []
    stray: list[int] = []
    opened: list[int] = []
    quote = ""
    while at < end:
        char = text[at]
        if opened:
            if quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            elif char == "{":
                opened.append(at)
            elif char == "}":
                start = opened.pop()
                if not opened:
                    fields.append((start, at))
        elif text.startswith(("{{", "}}"), at):
            at += 1
        elif char == "{":
            opened.append(at)
        elif char == "}":
            stray.append(at)
        at += 1
    return fields, stray, opened[0] if opened else None


def _braces(site: Site, token: Token) -> Iterator[Candidate]:
    begin, end = _body(token)
    _, stray, unclosed = _walk(token.text, begin, end)
    if unclosed is not None:
        places = [end]
        inner = token.text[unclosed + 1 : end]
        for match in re.finditer(r"(?<=[\w\])])(?=[^\w.\[(])", inner):
            places.append(unclosed + 1 + match.start())
        word = re.match(r"\s*[A-Za-z_][\w.]*(?:\([^(){}]*\)|\[[^\[\]{}]*\])*(?:![rsa])?(?::[^{}\s\"']{1,8})?", inner)
        if word is not None and word.end() < len(inner):
            places.insert(0, unclosed + 1 + word.end())
        name = re.match(r"\s*([A-Za-z_]\w*)", inner)
        if name is not None and not site.scorer.knows(name.group(1)):  # `{countB` where `count` is a name
            known = [i for i in range(1, len(name.group(1))) if site.scorer.names[name.group(1)[:i]] > 0]
            places = [unclosed + 1 + name.start(1) + max(known), *places] if known else places
        for order, place in enumerate(dict.fromkeys(places[:PLACES])):
            at = token.start + place
            yield Candidate("fstring_brace", -1.0 + 0.8 * order, ((at, at, "}"),), 0.0)
        again = token.text.find("{", unclosed + 1, end)
        if again == unclosed + 1:
            return
        yield Candidate("fstring_escape", 3.0, ((token.start + unclosed, token.start + unclosed, "{"),), 0.0)
    for at in stray:
        place = token.start + at
        before = re.search(r"(?:[A-Za-z_][\w.]*)$", token.text[begin:at])
        yield Candidate("fstring_brace", -0.5, ((place, place + 1, ""),), 0.0)
        if before is not None:
            start = token.start + begin + before.start()
            yield Candidate("fstring_open", -0.2, ((start, start, "{"),), 0.0)
        yield Candidate("fstring_escape", 1.5, ((place, place, "}"),), 0.0)


def _brackets(token: Token) -> Iterator[Candidate]:
    """One bracket too many or too few inside a field."""
    begin, end = _body(token)
    fields, _, unclosed = _walk(token.text, begin, end)
    if unclosed is not None:
        fields = [*fields, (unclosed, end)]
    for low, high in fields:
        stack: list[str] = []
        extra: list[int] = []
        quote = ""
        stop = high
        for at in range(low + 1, high):
            char = token.text[at]
            if quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            elif char in OPENS:
                stack.append(char)
            elif char in CLOSES:
                if stack and OPENS[stack[-1]] == char:
                    stack.pop()
                else:
                    extra.append(at)
            elif char in ":!" and not stack and token.text[at + 1 : at + 2] != "=":
                stop = at
                break
        for at in extra[:2]:
            place = token.start + at
            yield Candidate("fstring_bracket", 0.0, ((place, place + 1, ""),), 0.0)
        if stack and not extra:
            place = token.start + stop
            close = "".join(OPENS[char] for char in reversed(stack) if char != "{")
            if close and len(close) < 4:
                yield Candidate("fstring_bracket", 0.0, ((place, place, close),), 0.0)
