"""Statements that parse by themselves but are not allowed where or as they stand."""

import itertools
import re
from collections.abc import Iterator

from graced.repair.brackets import split_names
from graced.repair.edits import Candidate, Edit
from graced.repair.idioms import CONSTANTS
from graced.repair.indent import newline_of
from graced.repair.lex import CLOSES, KEYWORDS, NAME, OP, OPENS, STRING, Source, Token
from graced.repair.site import Site

STATEMENT_ONLY = frozenset(
    ("class", "def", "global", "nonlocal", "import", "pass", "del", "with", "try", "except", "finally", "raise",
     "return", "break", "continue", "while", "assert")
)  # fmt: skip
"""Keywords that no expression holds."""


def candidates(site: Site) -> Iterator[Candidate]:
    yield from _future(site)
    yield from _arguments(site)
    yield from _reserved(site)
    yield from _assignment(site)
    yield from _async(site)
    yield from _numbers(site)
    yield from _declared(site)


def _future(site: Site) -> Iterator[Candidate]:
    """`from __future__` in the middle of a file goes to the top, behind docstring and comments."""
    if not site.said("from __future__ imports must occur"):
        return
    src, lines = site.src, site.src.lines
    start, stop = lines[site.low].start, lines[site.high].next
    statement = site.text[start:stop].strip(" \t") or ""
    newline = newline_of(site.text)
    if not statement.endswith(("\n", "\r")):
        statement += newline
    at = next((i for i in range(len(lines)) if lines[i].logical), 0)
    first = src.code(at)
    if (first and first[0].kind == STRING and src.logical_end(at) != at) or (
        len(first) == 1 and first[0].kind == STRING
    ):
        at = src.next_logical(src.logical_end(at)) or at
    while src.first_word(at) == "from" and [t.text for t in src.code(at)][1:2] == ["__future__"]:
        at = src.next_logical(src.logical_end(at)) or at
    spot = lines[at].start
    if spot < start:
        gap = "" if src.first_word(at) in ("import", "from") or (at and not src.has_code(at - 1)) else newline
        yield Candidate("future_import", 0.3, ((spot, spot, statement + gap), (start, stop, "")))


def _arguments(site: Site) -> Iterator[Candidate]:
    """A keyword argument given twice; a positional argument behind a keyword argument."""
    tokens = site.tokens
    if site.said("keyword argument repeated", "duplicate argument"):
        words = re.findall(r"\w+", site.message)
        name = words[-1] if site.said("repeated") else re.findall(r"'(\w+)'", site.message)[:1][0]
        for part in _call_parts(tokens, site):
            names = [p for p in part if tokens[p[0]].text.lstrip("*") == name]
            for order, (first, last) in enumerate(reversed(names)):
                if len(names) > 1:
                    begin = tokens[first - 1] if first else tokens[first]
                    edit: Edit = (begin.start, tokens[last].end, "")
                    if begin.text != ",":
                        end = tokens[last + 1].end if last + 1 < len(tokens) else tokens[last].end
                        edit = (tokens[first].start, end, "")
                    values = {site.text[tokens[a].start : tokens[b].end] for a, b in names}
                    same = len(values) == 1 and site.said("repeated")
                    rule = "doubled_argument" if same else "repeated_argument"
                    yield Candidate(rule, 0.5 + order, (edit,))
    if site.said("positional argument follows", "non-default argument", "parameter without a default"):
        for part in _call_parts(tokens, site):
            yield from _reordered(site, part)
            for first, last in part:
                if tokens[first].kind == NAME and not any(t.text == "=" for t in tokens[first : last + 1]):
                    yield from split_names(site, tokens[first], "=", -3.0)


def _call_parts(tokens: list[Token], site: Site) -> Iterator[list[tuple[int, int]]]:
    """The arguments of each bracket of the statement, as (first, last) tokens."""
    stack: list[list[int]] = []
    for index, token in enumerate(tokens):
        if token.kind == OP and token.text in OPENS:
            stack.append([index])
        elif token.text == "," and stack:
            stack[-1].append(index)
        elif token.kind == OP and token.text in CLOSES and stack:
            cuts = [*stack.pop(), index]
            parts = [(a + 1, b - 1) for a, b in itertools.pairwise(cuts) if a + 1 <= b - 1]
            if token.text == ")" and len(parts) > 1:
                yield parts


def _reordered(site: Site, parts: list[tuple[int, int]]) -> Iterator[Candidate]:
    """Keyword arguments moved behind the positional ones, the order kept otherwise."""
    tokens, text = site.tokens, site.text

    def is_keyword(part: tuple[int, int]) -> bool:
        depth = 0
        for token in tokens[part[0] : part[1] + 1]:
            if token.text in OPENS:
                depth += 1
            elif token.text in CLOSES:
                depth -= 1
            elif token.text == "=" and not depth:
                return True
        return False

    if any(tokens[first].text.startswith("*") for first, _ in parts):
        return
    ordered = sorted(parts, key=is_keyword)
    if ordered == parts:
        return
    edits = []
    for old, new in zip(parts, ordered, strict=True):
        span = (tokens[old[0]].start, tokens[old[1]].end)
        edits.append((*span, text[tokens[new[0]].start : tokens[new[1]].end]))
    yield Candidate("argument_order", 2.0, tuple(edits))


def _reserved(site: Site) -> Iterator[Candidate]:
    """A keyword used as a name (`async=True`, written for an older Python): all such uses get a `_`."""
    tokens = site.tokens
    for index in range(max(0, site.here - 2), min(len(tokens), site.there + 2)):
        word = tokens[index].text
        if word not in KEYWORDS or word in CONSTANTS or tokens[index].kind != NAME:
            continue
        edits = [(t.end, t.end, "_") for t in _uses_as_name(site.src, word)]
        if edits and len(edits) < 200:
            cost = 0.5 if word in ("async", "await") else 4.0
            if word in STATEMENT_ONLY and index and len(edits) > 1:
                yield Candidate("reserved_word", 0.0, tuple(edits), 0.0)
            yield Candidate("reserved_word", cost, tuple(edits))


def _uses_as_name(src: Source, word: str) -> Iterator[Token]:
    tokens = [token for token in src.tokens if token.kind in (NAME, OP, STRING)]
    for index, token in enumerate(tokens):
        if token.text != word or token.kind != NAME:
            continue
        after = tokens[index + 1].text if index + 1 < len(tokens) else ""
        before = tokens[index - 1].text if index else ""
        if word == "async" and after in ("def", "with", "for"):
            continue
        if word == "await" and not (after in ("=", ",", ")", ".", ":") or before in (".", "def")):
            continue
        if word not in ("async", "await") and not (
            after in ("=", ".")
            or before in (".", "def", "class", "import", "as")
            or (
                word in STATEMENT_ONLY
                and before in (",", "(", "=", "[", "+", "-", "*", "/")
                and after not in ("(", "lambda")
            )
        ):
            continue
        yield token


def _assignment(site: Site) -> Iterator[Candidate]:
    """`=` in a condition or call where `==` was meant, or the other way round."""
    if not site.said(
        "cannot assign", "Maybe you meant '==' or ':=' instead of '='", "expression cannot contain assignment"
    ):
        return
    cost = 2.0 if site.said("cannot assign") and not site.said("==") else 0.0
    for index in range(len(site.tokens)):
        token = site.tokens[index]
        if token.text == "=":
            distance = 0.1 * abs(index - site.here)
            owned = 4.0 * (index > 1 and site.tokens[index - 2].text == "." and site.said('"=="'))
            yield Candidate("assign_for_equal", cost + 0.5 + distance - owned, ((token.start, token.end, "=="),))
            left = site.tokens[index - 1] if index else token
            if "-" in site.text[site.tokens[0].start : token.start] and left.kind == NAME:
                dashes = [t for t in site.tokens[:index] if t.text == "-"]
                edits = tuple((t.start, t.end, "_") for t in dashes)
                yield Candidate("dash_in_name", 2.0 + distance, edits)


def _async(site: Site) -> Iterator[Candidate]:
    """`await` in a plain `def`: the nearest one above becomes `async def`."""
    if not site.said("outside async function", "outside function"):
        return
    src = site.src
    level = src.lines[site.low].width
    at = src.previous_logical(site.low)
    while at is not None:
        if src.lines[at].width < level:
            level = src.lines[at].width
            if src.first_word(at) == "def":
                start = src.lines[at].start + len(src.lines[at].indent)
                if site.said("outside async"):
                    yield Candidate("async_def", 0.5, ((start, start, "async "),))
                return
        at = src.previous_logical(at)
    word = site.tokens[0]
    if site.said("'return' outside function") and len(site.tokens) > 1:
        yield Candidate("return_outside", 9.0, ((word.start, site.tokens[1].start, ""),))


def _numbers(site: Site) -> Iterator[Candidate]:
    """Numbers of Python 2 and of people: `0777`, `10L`, `1,000.0.0`, names that begin with a digit."""
    if site.said("leading zeros"):
        for token in site.tokens:
            if re.fullmatch(r"0[0-7]+", token.text) and token.text.strip("0"):
                yield Candidate("octal", 1.0, ((token.start, token.start + 1, "0o"),))
            if re.fullmatch(r"0[0-9]+", token.text):
                size = len(token.text) - len(token.text.lstrip("0"))
                cost = 0.8 if len(token.text) == 2 or "8" in token.text or "9" in token.text else 1.5
                yield Candidate("leading_zero", cost, ((token.start, token.start + size, ""),))
    if site.said(
        "invalid decimal literal", "invalid hexadecimal", "invalid digit", "invalid octal", "invalid imaginary"
    ):
        for token, after in zip(site.tokens, site.tokens[1:], strict=False):
            if token.end == after.start and token.text[:1].isdigit() and after.kind == NAME:
                if after.text in ("L", "l"):
                    yield Candidate("long", 0.2, ((after.start, after.end, ""),))
                yield Candidate("digit_name", 2.0, ((token.start, token.start, "_"),))
                yield Candidate("digit_name", 2.0, ((token.end, token.end, " "),))
                yield Candidate("digit_string", 2.5, ((token.start, token.start, '"'), (after.end, after.end, '"')))


def _declared(site: Site) -> Iterator[Candidate]:
    """`global x` or `nonlocal x` after its use: the declaration goes to the function's first line."""
    if not site.said(
        "prior to global declaration", "prior to nonlocal declaration", "before global", "before nonlocal"
    ):
        return
    src, lines = site.src, site.src.lines
    level = lines[site.low].width
    at = src.previous_logical(site.low)
    while at is not None and not (src.first_word(at) in ("def", "async") and lines[at].width < level):
        at = src.previous_logical(at)
    if at is None:
        return
    body = src.next_logical(src.logical_end(at))
    if body is None:
        return
    said = site.text[lines[site.low].start : lines[site.high].end].strip()
    statement = lines[body].indent + said + newline_of(site.text)
    same = [(lines[site.low].start, lines[site.high].next, "")]
    inner = src.next_logical(src.logical_end(at))
    while inner is not None and lines[inner].width > lines[at].width:
        if inner != site.low and site.text[lines[inner].start : lines[inner].end].strip() == said:
            same.append((lines[inner].start, lines[inner].next, ""))
        inner = src.next_logical(inner)
    yield Candidate("declared_late", 0.5, ((lines[body].start, lines[body].start, statement), *sorted(same)))
