"""String literals without an end or a beginning, and quotes inside quotes."""

import itertools
import re
from collections.abc import Iterator

from graced.repair.edits import Candidate
from graced.repair.lex import BADSTR, NAME, STRING, tokens_of
from graced.repair.site import Site

MAX_PLACES = 40
"""Places on one line tried for a quote that is missing, too much, or the wrong one."""
_BOUNDARY = re.compile(r"(?<=\b[bfru])(?=\w)|(?<=[\s,()\[\]{}:=+%.;])(?=\S)|(?<=\S)(?=[\s,()\[\]{}:=+%.;]|$)|^|$")
_QUOTES = "'\""
_DOUBLED = re.compile(
    r"""(?<![\w"'])(?:""(?=[\w{%<\[])(?!")|''(?=[\w{%<\[])(?!'))|(?<=[\w.!?}>\]])(?:""(?!["\w])|''(?!['\w]))"""
)
SWALLOWED_NEXT = 40.0
"""Nats off where a triple-quoted string swallowed all up to the next one that begins."""
_SWALLOWED = re.compile(
    r"^.[,)\]]|[(,=]\s*.$|\w[()]\s*,|', | = |[\"'] ?[%+,)\]:.=]+ ?[\w(\"']|\w\)+.$| % [(\w]|\bself\.\w"
)
"""Code in a string: it begins or ends with punctuation, holds a call, an assignment, the end of another string."""


def candidates(site: Site) -> Iterator[Candidate]:
    bad = [token for token in site.tokens if token.kind == BADSTR]
    yield from _flipped(site)
    if not bad and not site.said("f-string", "string literal"):
        yield from _odd_quotes(site)
        yield from _doubled_quote(site)
        return
    if bad and bad[0].text.lstrip("rRbBuUfF")[:3] in ('"""', "'''"):
        yield from _triple(site, bad[0].start)
    elif site.said("triple-quoted"):
        yield from _triple(site, site.src.lines[site.at].start + site.fault.column)
    if bad or site.said("unterminated string", "after line continuation", "invalid syntax", "forgot a comma"):
        yield from _doubled_quote(site)
    if bad or site.said("unterminated string", "after line continuation"):
        yield from _one_line(site)
    if site.said("f-string"):
        yield from _nested(site)


def _one_line(site: Site) -> Iterator[Candidate]:
    """One quote put in, taken out, or escaped, anywhere on the line of an unterminated string."""
    src, text = site.src, site.text
    index = site.at
    for token in site.tokens:
        if token.kind == BADSTR:
            index = src.line_at(token.start)
            break
    line = src.lines[index]
    whole = text[line.start : line.end]
    bad = next((t for t in src.tokens[line.first : line.stop] if t.kind == BADSTR), None)
    quotes = {bad.text.lstrip("rRbBuUfF")[0]} if bad is not None else set(_QUOTES)
    places = [line.start + match.start() for match in _BOUNDARY.finditer(whole)]
    places = [at for at in dict.fromkeys(places) if at >= line.start + len(line.indent)]
    for quote in sorted(quotes):
        for at in _outermost(places):
            if text[at : at + 3] == 3 * quote or text[at - 3 : at] == 3 * quote:
                continue
            yield from _checked(site, index, Candidate("missing_quote", 2.0, ((at, at, quote),)))
        alone = (
            at for at in range(line.start, line.end)
            if text[at] == quote and text[at - 1 : at] != quote and text[at + 1 : at + 2] != quote
        )  # fmt: skip
        for at in _outermost(list(alone)):
            if quote == "'" and 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum():
                yield from _checked(site, index, Candidate("unescaped_quote", 0.5, ((at, at, "\\"),)))
            yield from _checked(site, index, Candidate("unescaped_quote", 4.0, ((at, at, "\\"),)))
            yield from _checked(site, index, Candidate("extra_quote", 6.0, ((at, at + 1, ""),)))
            if text[at - 1] == "\\":
                lone = 2.5 * (text[line.start : at].rstrip("\\").endswith(quote))
                yield from _checked(site, index, Candidate("escaped_end", 2.0 - lone, ((at, at, "\\"),)))
        other = _QUOTES[1 - _QUOTES.index(quote)]
        for at in _outermost([at for at in range(line.start, line.end) if text[at] in _QUOTES]):
            if text[at] == other:
                yield from _checked(site, index, Candidate("wrong_quote", 1.5, ((at, at + 1, quote),)))
            elif (
                bad is not None
                and text[at] == quote
                and at == bad.start + len(bad.text) - len(bad.text.lstrip("rRbBuUfF"))
            ):
                yield from _checked(site, index, Candidate("wrong_quote", 1.5, ((at, at + 1, other),)))
    if bad is not None:
        end = bad.end
        for prefix in ("'''", '"""'):
            if bad.text.startswith(prefix[0]):
                yield Candidate("triple", 6.0, ((bad.start, bad.start + 1, prefix), (end, end, prefix)))


def _outermost(places: list[int]) -> list[int]:
    """The first and the last of them, MAX_PLACES at most: each costs a reading of its whole line."""
    return places if len(places) <= MAX_PLACES else places[: MAX_PLACES // 2] + places[-MAX_PLACES // 2 :]


def _checked(site: Site, index: int, candidate: Candidate) -> Iterator[Candidate]:
    """Passes on what leaves the line without an unterminated string (the rest is for the parser to say)."""
    line = site.src.lines[index]
    start, end, new = candidate.edits[0]
    text = site.text[line.start : start] + new + site.text[end : line.end]
    tokens = tokens_of(text)
    if any(token.kind == BADSTR for token in tokens):
        return
    glued = sum(
        1
        for left, right in itertools.pairwise(tokens)
        if left.end == right.start and ((left.kind == STRING and right.kind in (NAME, STRING))
                                        or (right.kind == STRING and left.kind == NAME))
    )  # fmt: skip
    blank = any(token.kind == STRING and token.text.lstrip("rRbBuUfF")[1:2] == " " for token in tokens)
    inside = next((t for t in tokens if t.kind == STRING and len(t.text) > 2), None)
    code_like = sum(_code_in(site, token.text) for token in tokens if token.kind == STRING)
    cost = candidate.cost + 3.0 * glued + 0.7 * code_like + (0.0 if inside else 0.5) + 0.7 * blank
    yield candidate._replace(cost=cost)


def _code_in(site: Site, string: str) -> int:
    """How many signs there are that a string literal has swallowed code."""
    found = len(_SWALLOWED.findall(string))
    last = re.search(r",\s*([A-Za-z_]\w*)\W*.$", string)
    opened = sum(string.count(c) for c in "([{") - sum(string.count(c) for c in ")]}")
    return found + (opened != 0) + (last is not None and site.scorer.knows(last.group(1)))


def _doubled_quote(site: Site) -> Iterator[Candidate]:
    """`f(""text", x)`, `"text"")`: a quote typed twice where one begins or ends a string."""
    line = site.src.lines[site.at]
    text = site.text[line.start : line.end]
    for match in _DOUBLED.finditer(text):
        at = line.start + match.start()
        new = text[: match.start()] + text[match.start() + 1 :]
        if not any(token.kind == BADSTR for token in tokens_of(new)):
            yield Candidate("doubled_quote", -6.0, ((at, at + 1, ""),))


def _odd_quotes(site: Site) -> Iterator[Candidate]:
    """A quote too many between strings that all end: `'a''b' c'`, or words between two strings."""
    for left, right in zip(site.tokens, site.tokens[1:], strict=False):
        if left.kind == STRING and right.kind == NAME and left.end == right.start and left.text[-2:-1].isalnum():
            if left.text[-1] != "'":
                continue
            at = left.end - 1
            yield Candidate("unescaped_quote", 3.0, ((at, at, "\\"),))


def _triple(site: Site, start: int) -> Iterator[Candidate]:
    """Ends a triple-quoted string: on its line, before a blank line, before what looks like code, or at the end."""
    src, text = site.src, site.text
    body = text[start:]
    quotes = body.lstrip("rRbBuUfF")[:3]
    if quotes not in ('"""', "'''"):
        return
    opened = src.line_at(start)
    yield Candidate("extra_triple", 3.0, ((start, start + 3, ""),), 0.0)
    line_end = src.lines[opened].end
    yield Candidate("missing_triple", 2.0, ((line_end, line_end, quotes),), 0.0)
    lone = text[start + 3 : line_end].find(quotes[0])
    if lone >= 0:  # closed by one or two quotes
        at = start + 3 + lone
        width = 2 if text[at + 1 : at + 2] == quotes[0] else 1
        yield Candidate("short_triple", 1.0, ((at, at + width, quotes),), 0.0)
        yield Candidate("long_open", 1.5, ((start, start + 3, quotes[0]),), 0.0)
    yield from _ends(site, start, quotes, 2.5)
    end = len(text.rstrip())
    yield Candidate("missing_triple", 4.0, ((end, end, "\n" + quotes if "\n" in body.strip() else quotes),), 0.0)
    before = [at for at in _all(text, quotes, start) if at < start]
    if before:  # an earlier one may be the stray
        yield Candidate("extra_triple", 4.0, ((before[-1], before[-1] + 3, ""),), 0.0)


_CODE = re.compile(
    r"(?:def |class |import |from \w+ import|return\b|@\w|self\.\w+ = |\w+ = |try:|(?:if|for|while|with) .*:$)"
)


def _ends(site: Site, start: int, quotes: str, cost: float) -> Iterator[Candidate]:
    """Where the triple-quoted string that begins at `start` may have ended: before a blank line, before code."""
    src, text = site.src, site.text
    lines, tried = src.lines, 0
    ends = re.findall(rf"^(.*){quotes}[ \t]*$", text, re.MULTILINE)
    ends = [end for end in ends if quotes not in end]
    own_line = 2 * sum(not end.strip() for end in ends) >= len(ends)
    opened = src.line_at(start)
    for index in range(opened + 1, min(len(lines), opened + 300)):
        stripped = text[lines[index].start : lines[index].end].strip()
        code = _looks_like_code(stripped)
        if stripped and not stripped.endswith(quotes[:1]) and not code:
            continue
        at = index if stripped.endswith(quotes[:1]) else index - 1
        while at > opened and not text[lines[at].start : lines[at].end].strip():
            at -= 1
        end = lines[at].start + len(text[lines[at].start : lines[at].end].rstrip())
        yield Candidate("missing_triple", cost + 0.3 * tried - 1.0 * code, ((end, end, quotes),), 0.0)
        if at + 1 < index and not text[lines[at + 1].start : lines[at + 1].end].strip():
            blank = lines[at + 1]
            fit = -0.5 if own_line else 0.3
            edit = (blank.end, blank.end, quotes if blank.indent else lines[opened].indent + quotes)
            yield Candidate("missing_triple", cost + 0.3 * tried + fit - 1.0 * code, (edit,), 0.0)
        tried += 1
        if tried > 8 or code:
            return


def _flipped(site: Site) -> Iterator[Candidate]:
    """An odd number of triple quotes: the first string that holds code has lost its end, or has one too many before."""
    for quotes in ('"""', "'''"):
        if site.text.count(quotes) % 2 == 0:
            continue
        order = 0.0
        for token in site.src.tokens:
            if token.kind not in (STRING, BADSTR) or token.text.lstrip("rRbBuUfF")[:3] != quotes:
                continue
            body = token.text.split("\n")[1:]
            if not any(_looks_like_code(line.strip()) for line in body):
                continue
            sure = SWALLOWED_NEXT * _ends_by_opening(site.text, token.end, quotes)
            yield from _ends(site, token.start, quotes, -2.0 + order - sure)
            first = site.src.lines[site.src.line_at(token.start)]
            end = first.start + len(site.text[first.start : first.end].rstrip())
            short = len(site.text[first.start : end]) - len(site.text[first.start : end].rstrip(quotes[0]))
            if 0 < short < 3 and end - short > token.start + 3:
                yield Candidate("short_triple", -23.0 + order - sure, ((end - short, end, quotes),), 0.0)
            else:
                yield Candidate("missing_triple", -1.5 + order - sure, ((end, end, quotes),), 0.0)
            yield Candidate("extra_triple", 2.0 + order, ((token.start, token.start + 3, ""),), 0.0)
            order += 1.0
            if order > 2:
                break


def _ends_by_opening(text: str, end: int, quotes: str) -> bool:
    """Is what ends a string at `end` rather the beginning of the next: first on its line, words right behind it?"""
    start = text.rfind("\n", 0, end) + 1
    return not text[start : end - 3].strip(" \t\f") and text[end : end + 1].isalnum()


def _looks_like_code(stripped: str) -> bool:
    return _CODE.match(stripped) is not None


def _all(text: str, part: str, stop: int) -> list[int]:
    found = []
    at = text.find(part)
    while 0 <= at < stop:
        found.append(at)
        at = text.find(part, at + 3)
    return found


def _nested(site: Site) -> Iterator[Candidate]:
    """f-strings that use their own quote inside (legal only since 3.12): the inner ones become the other kind."""
    src = site.src
    line = src.lines[site.at]
    text = site.text[line.start : line.end]
    for match in re.finditer(r"""[fF][rR]?(['"])""", text):
        quote = match.group(1)
        other = _QUOTES[1 - _QUOTES.index(quote)]
        depth, edits = 0, []
        for at in range(match.end(), len(text)):
            char = text[at]
            if char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
            elif char == quote:
                if depth <= 0:
                    break
                edits.append((line.start + at, line.start + at + 1, other))
        if edits:
            yield Candidate("nested_quotes", 0.5, tuple(edits))
