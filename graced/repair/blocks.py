"""Compound statements that lack a part: a colon, an `except`, a body at the end of the file; and truncated tails."""

from collections.abc import Iterator

from graced.repair.brackets import Balance
from graced.repair.edits import Candidate
from graced.repair.indent import block_body, newline_of, step_of
from graced.repair.lex import BADSTR, HEADERS, KEYWORDS, NAME, OPENS, Source
from graced.repair.site import Site

INNER = frozenset(("not", "None", "True", "False", "lambda", "await"))
"""Keywords that an expression may begin with."""
MAX_CLOSED = 8
"""More brackets than that are not closed at the end of a file with any confidence."""


def candidates(site: Site) -> Iterator[Candidate]:
    yield from _colon(site)
    yield from _no_header(site)
    yield from block_body(site)
    yield from _except(site)
    yield from _tail(site)
    yield from _clause(site)


def _colon(site: Site) -> Iterator[Candidate]:
    tokens = site.tokens
    if not tokens or tokens[0].text not in HEADERS:
        return
    if site.said("expected ':'") and site.here:
        token, before = tokens[site.here], tokens[site.here - 1]
        end = before.end if token.end > site.src.lines[site.at].start + site.fault.column else token.end
        yield Candidate("missing_colon", 0.5, ((end, end, ":"),))
        if len(token.text) == 1 and token.kind != NAME:
            yield Candidate("wrong_colon", 0.7, ((token.start, token.end, ":"),))
    if tokens[0].text == "else" and len(tokens) > 2 and tokens[1].text != ":":
        yield Candidate("else_if", 0.5, ((tokens[0].start, tokens[0].end, "elif"),))
        if tokens[1].text == "if":
            yield Candidate("else_if", 0.2, ((tokens[0].start, tokens[1].end, "elif"),))
            if tokens[-1].text != ":":
                edits = ((tokens[0].start, tokens[1].end, "elif"), (tokens[-1].end, tokens[-1].end, ":"))
                yield Candidate("else_if", 1.0, edits)
        if tokens[-1].text == ":":
            yield Candidate("else_condition", 2.5, ((tokens[0].end, tokens[-1].start, ""),), 0.0)
    line_end = site.src.lines[site.low]
    code = site.src.code(site.low)
    if code and code[-1].text != ":" and line_end.first < line_end.stop:
        yield Candidate("missing_colon", 1.0, ((code[-1].end, code[-1].end, ":"),))
        if code[-1].text in (";", ",", ".", "="):
            yield Candidate("wrong_colon", 0.7, ((code[-1].start, code[-1].end, ":"),))


def _no_header(site: Site) -> Iterator[Candidate]:
    """A colon at the end and a block below, but no word that begins such a statement."""
    tokens, src = site.tokens, site.src
    if len(tokens) < 2 or tokens[-1].text != ":" or tokens[0].text in HEADERS or tokens[0].text in KEYWORDS - INNER:
        return
    body = src.next_logical(site.high)
    if body is None or src.lines[body].width <= src.lines[site.low].width:
        return
    words = ["if", "while"]
    if any(token.text == "in" for token in tokens):
        words.insert(0, "for")
    if tokens[1].text == "(" and tokens[-2].text == ")":
        words += ["def", "class"]
    for order, word in enumerate(words):
        at = tokens[0].start
        rule = "missing_def" if word == "def" and tokens[1].text == "(" else "missing_header"
        yield Candidate(rule, 0.5 + order * 0.5, ((at, at, word + " "),))


def _except(site: Site) -> Iterator[Candidate]:
    """A `try` without `except` or `finally`: one that changes nothing (`raise`) is put where it must be."""
    if not site.said("expected 'except' or 'finally' block"):
        return
    src = site.src
    opener = _open_try(src, site.low)
    if opener is None:
        return
    base, step, newline = src.lines[opener].indent, step_of(src, opener), newline_of(site.text)
    last = opener
    following = src.next_logical(opener)
    while following is not None and src.lines[following].width > src.lines[opener].width:
        last = src.logical_end(following)
        following = src.next_logical(last)
    at = src.lines[last].end
    new = f"{newline}{base}except Exception:{newline}{base}{step}raise"
    yield Candidate("missing_except", 2.0, ((at, at, new),), 0.0)


def _open_try(src: Source, index: int) -> int | None:
    """The nearest `try` above line `index` that is no deeper and has no `except` or `finally` yet."""
    limit = src.lines[index].width
    closed: set[int] = set()
    at = src.previous_logical(index)
    while at is not None:
        line, word = src.lines[at], src.first_word(at)
        if line.width <= limit or line.width < limit + 1:
            if word in ("except", "finally"):
                closed.add(line.width)
            elif word == "try":
                if line.width not in closed:
                    return at
                closed.discard(line.width)
            limit = min(limit, line.width)
        elif word == "try" and line.width not in closed:
            return at
        elif word in ("except", "finally"):
            closed.add(line.width)
        at = src.previous_logical(at)
    return None


def _clause(site: Site) -> Iterator[Candidate]:
    """`else`, `elif`, `except` with nothing to belong to: without it (and its body), or as a plain `if`."""
    src = site.src
    word = src.first_word(site.low)
    if word not in ("else", "elif", "except", "finally") or site.here > 1:
        return
    token = site.tokens[0]
    if word == "elif":
        yield Candidate("orphan_elif", 2.5, ((token.start, token.end, "if"),))
    level = src.lines[site.low].width
    end = src.logical_end(site.low)
    following = src.next_logical(end)
    while following is not None and src.lines[following].width > level:
        end = src.logical_end(following)
        following = src.next_logical(end)
    if end - site.low < 40:
        size = sum(1 for index in range(site.low, end + 1) if src.has_code(index))
        repeated = _repeats(src, site.low, end)
        cost = 1.0 if repeated else 5.0 + 0.5 * size
        edit = (src.lines[site.low].start, src.lines[end].next, "")
        yield Candidate("repeated_clause" if repeated else "orphan_clause", cost, (edit,), None if repeated else 0.0)


def _repeats(src: Source, low: int, high: int) -> bool:
    """Do lines `low`..`high` say again what the lines just above them say?"""
    size = high - low + 1
    if low < size:
        return False

    def part(a: int) -> list[str]:
        return [src.text[src.lines[i].start : src.lines[i].end].strip() for i in range(a, a + size)]

    return part(low - size) == part(low)


def _tail(site: Site) -> Iterator[Candidate]:
    """The file breaks off in mid-statement: what is open is closed, or the torn statement is dropped."""
    src, text = site.src, site.text
    last = len(src.lines) - 1
    while last > 0 and not src.has_code(last) and not src.lines[last].inside:
        last -= 1
    start = src.logical_start(last, 10_000)
    if site.high < last and site.low < start and not site.said("never closed", "unterminated", "unexpected EOF"):
        return
    tokens = list(src.tokens[src.lines[start].first : src.lines[last].stop])
    tokens = [token for token in tokens if token.text not in ("\n", "\r\n", "\r") and token.text[:1] != "#"]
    if not tokens:
        return
    end = len(text.rstrip())
    base, step, newline = src.lines[start].indent, step_of(src, start), newline_of(text)
    close = ""
    if tokens[-1].kind == BADSTR:
        bare = tokens[-1].text.lstrip("rRbBuUfF")
        close = bare[:3] if bare[:3] in ('"""', "'''") else bare[:1]
        tokens = tokens[:-1]
    balance = Balance(tokens)
    close += "".join(OPENS[tokens[index].text] for index in reversed(balance.unclosed))
    first = tokens[0].text if tokens else ""
    tails = [close, "None" + close, ""] if close else ["", " None", "pass"]
    rule = "truncated" if len(close) <= MAX_CLOSED else "truncated_deep"
    for cost, tail in enumerate(tails):
        if first in HEADERS:
            colon = "" if text[:end].endswith(":") and not tail else ":"
            tail += f"{colon}{newline}{base}{step}pass"
        edit = ((end, end, tail),)
        if tail:
            yield Candidate(rule, 5.0 + cost, edit, 0.0)
            following = _with_except(src, start, newline)
            if following:
                yield Candidate(rule, 5.5 + cost, ((end, end, tail + following),), 0.0)
    begin = src.lines[start].start
    before = src.previous_logical(start)
    if before is not None and src.first_word(before) in HEADERS and src.lines[before].width < src.lines[start].width:
        yield Candidate("torn_tail", 9.5, ((begin + len(base), len(text), "pass" + newline),), 0.0)
    else:
        yield Candidate("torn_tail", 9.0, ((begin, len(text), ""),), 0.0)
    following = _with_except(src, start, newline)
    if following:
        yield Candidate("truncated", 3.0, ((end, end, following),), 0.0)


def _with_except(src: Source, start: int, newline: str) -> str:
    """The `except` clauses that the `try`s still open at line `start` need, innermost first."""
    out, limit = "", src.lines[start].width
    closed: set[int] = set()
    at = src.previous_logical(start)
    while at is not None and limit:
        line, word = src.lines[at], src.first_word(at)
        if line.width <= limit and word in ("except", "finally"):
            closed.add(line.width)
        if line.width < limit:
            if word == "try" and line.width not in closed:
                out += f"{newline}{line.indent}except Exception:{newline}{line.indent}{step_of(src, at)}raise"
            limit = line.width
        at = src.previous_logical(at)
    return out
