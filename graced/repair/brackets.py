"""Brackets: missing, superfluous, of the wrong kind."""

from collections.abc import Iterator

from graced.repair.edits import Candidate
from graced.repair.lex import CLOSES, KEYWORDS, NAME, OP, OPENS, STATEMENTS, STRING, Token
from graced.repair.site import Site

MAX_GAPS = 48
"""Places tried for one missing bracket; statements with more tokens get those nearest to the fault."""


class Balance:
    """What does not match among the brackets of `tokens` (indices into them)."""

    def __init__(self, tokens: list[Token]) -> None:
        self.unclosed: list[int] = []
        self.unopened: list[int] = []
        self.mismatched: list[tuple[int, int]] = []
        stack: list[int] = []
        for index, token in enumerate(tokens):
            if token.kind != OP:
                continue
            if token.text in OPENS:
                stack.append(index)
            elif token.text in CLOSES:
                if not stack:
                    self.unopened.append(index)
                elif OPENS[tokens[stack[-1]].text] == token.text:
                    stack.pop()
                else:
                    self.mismatched.append((stack[-1], index))
                    deeper = [at for at in stack[:-1] if OPENS[tokens[at].text] == token.text]
                    while deeper and stack[-1] != deeper[-1]:
                        stack.pop()
                    stack.pop()
        self.unclosed = stack

    def __bool__(self) -> bool:
        return bool(self.unclosed or self.unopened or self.mismatched)


def candidates(site: Site) -> Iterator[Candidate]:
    tokens = site.tokens
    if not tokens:
        return
    yield from _close_above(site)
    balance = Balance(tokens)
    for opener, closer in balance.mismatched[:2]:
        yield from _mismatch(site, opener, closer)
    for opener in balance.unclosed[-2:]:
        yield from _close(site, opener, len(tokens), 1.5)
        bare = 9.0 * (tokens[opener].text != "(" or (opener > 0 and tokens[opener - 1].kind == NAME))
        yield Candidate("delete_open", 3.5 + bare - _doubled(tokens, opener), (_removal(site.text, tokens[opener]),))
    for closer in balance.unopened[:2]:
        token = tokens[closer]
        yield Candidate("delete_close", 2.5 - _doubled(tokens, closer), (_removal(site.text, token),))
        yield from _open(site, CLOSES[token.text], 0, closer)
        yield from _open_above(site, CLOSES[token.text])
    if site.fault.kind == "IndentationError" and not balance:
        yield from _open_before(site)


def _close_above(site: Site) -> Iterator[Candidate]:
    """A closing bracket for the statement above, which this one ended by being none that goes on in brackets."""
    src = site.src
    above = src.previous_logical(site.low)
    if above is None or site.here or site.tokens[0].text not in STATEMENTS:
        return
    end = src.logical_end(above)
    before = Site(src, site.fault._replace(line=end + 1, column=1 << 20, end_line=end + 1), site.scorer)
    for opener in Balance(before.tokens).unclosed[-1:]:
        yield from _close(before, opener, len(before.tokens), 0.5)


def _open_above(site: Site, bracket: str) -> Iterator[Candidate]:
    """An opening bracket at the end of one of the lines above: it was lost with what it began there."""
    src = site.src
    at = src.previous_logical(site.low)
    for _ in range(12):
        if at is None:
            return
        code = src.code(at)
        if code and code[-1].text not in (":", ";"):
            yield Candidate("missing_open", 2.5, ((code[-1].end, code[-1].end, bracket),))
            if code[-1].text == ",":
                for token in code[1:-1]:
                    yield Candidate("missing_open", 3.0, ((token.start, token.start, bracket),))
        at = src.previous_logical(at)


def _open_before(site: Site) -> Iterator[Candidate]:
    """Lines indented below a statement that ends nowhere special, and a bracket closed later: its opener is missing."""
    src = site.src
    above = src.previous_logical(site.low)
    if above is None:
        return
    code = src.code(src.logical_end(above))
    line = src.lines[site.low]
    depth = 0
    for token in src.tokens[line.first : line.first + 600]:
        if token.text in OPENS:
            depth += 1
        elif token.text in CLOSES:
            if not depth and code:
                bracket = CLOSES[token.text]
                yield Candidate("missing_open", 0.0, ((code[-1].end, code[-1].end, bracket),))
                for other in code:
                    if other.text == token.text:
                        yield Candidate("delete_close", 1.0, ((other.start, other.end, ""),))
                for other in code[1:]:
                    yield Candidate("missing_open", 1.5, ((other.start, other.start, bracket),))
                for other in code:
                    yield from split_names(site, other, bracket, 0.5)
            if not depth:
                return
            depth -= 1


def _doubled(tokens: list[Token], index: int) -> float:
    """Nats off for a bracket that stands beside one of its kind: it was typed twice."""
    near = [tokens[i].text for i in (index - 1, index + 1) if 0 <= i < len(tokens)]
    return 2.0 if tokens[index].text in near else 0.0


def _removal(text: str, token: Token) -> tuple[int, int, str]:
    """Takes a bracket out; a blank stays where two words would run together."""
    glued = text[token.start - 1 : token.start].isalnum() and text[token.end : token.end + 1].isalnum()
    return token.start, token.end, " " if glued else ""


def _mismatch(site: Site, opener: int, closer: int) -> Iterator[Candidate]:
    tokens = site.tokens
    left, right = tokens[opener], tokens[closer]
    yield Candidate("wrong_close", 0.5, ((right.start, right.end, OPENS[left.text]),))
    yield Candidate("wrong_open", 5.0, ((left.start, left.end, CLOSES[right.text]),))
    yield Candidate("delete_close", 4.0 - _doubled(tokens, closer), ((right.start, right.end, ""),))
    yield Candidate("delete_open", 4.5 - _doubled(tokens, opener), (_removal(site.text, left),))
    yield from _close(site, opener, closer, 1.5)
    yield from _open(site, CLOSES[right.text], opener + 1, closer)


def _close(site: Site, opener: int, stop: int, cost: float) -> Iterator[Candidate]:
    """A closing bracket behind any token after `opener`, on its line or at a line's end, and on the fault's line."""
    tokens, text = site.tokens, site.text
    close = OPENS[tokens[opener].text]
    gaps: list[tuple[int, float]] = []
    lines = 0
    for index in range(opener, stop):
        token = tokens[index]
        at_end = index + 1 == len(tokens) or "\n" in text[token.end : tokens[index + 1].start]
        if at_end or index - opener < 24 or abs(index - site.here) < 6:
            last = at_end or (index + 2 == len(tokens) and tokens[index + 1].text == ":")
            called = opener > 0 and tokens[opener - 1].kind == NAME and tokens[opener - 1].text not in KEYWORDS
            lone = 3.0 * (index == opener + 1 and not called and not at_end)  # `[1], 2`, `(x) == 2`
            apart = lone + 1.5 * (close != ")" and not at_end and tokens[index + 1].text == ",")
            gaps.append((token.end, cost + min(0.3 * lines, 2.0) - 0.7 * last + apart))
            if at_end and index + 1 < len(tokens) and (token.text == "," or tokens[index + 1].text == ":"):
                gaps.append((tokens[index + 1].start, cost + min(0.3 * lines, 2.0)))
        lines += at_end
    if len(gaps) > MAX_GAPS:
        gaps = gaps[: MAX_GAPS - 8] + gaps[-8:]
    for gap, total in gaps:
        yield Candidate("missing_close", total, ((gap, gap, close),))


def _open(site: Site, bracket: str, start: int, closer: int) -> Iterator[Candidate]:
    """An opening bracket before any token, or inside a name that two known names were run together to."""
    tokens = site.tokens
    for index in range(max(start, closer - MAX_GAPS), closer + 1):
        token = tokens[index]
        yield Candidate("missing_open", 2.0, ((token.start, token.start, bracket),))
        if index == closer:
            continue
        if index and tokens[index - 1].end < token.start and tokens[index - 1].kind in (NAME, OP, STRING):
            gap = tokens[index - 1].end
            yield Candidate("missing_open", 2.2, ((gap, gap, bracket),))
        yield from split_names(site, token, bracket, 1.0)


def split_names(site: Site, token: Token, between: str, cost: float, strangers: int = 1) -> Iterator[Candidate]:
    """`between` put inside `token`, where it falls into two words, `strangers` of which at most nobody knows."""
    text, scorer = token.text, site.scorer
    if token.kind == STRING:
        for size in (1, 2):
            quote = text[size : size + 1]
            if quote in ("'", '"') and text[:size].isalpha():
                at = token.start + size
                yield Candidate("split_name", cost + 3.0, ((at, at, between),))
        return
    if token.kind != NAME or len(text) < 2:
        return
    strange = not scorer.knows(text)
    for at in range(1, len(text)):
        left, right = text[:at], text[at:]
        if not left.isidentifier() or not (right.isidentifier() or right.isdigit()):
            continue
        unknown = (not scorer.knows(left)) + (not (right.isdigit() or scorer.knows(right)))
        if unknown > strangers:
            continue
        short = 1.5 * (len(left) < 2) + 1.5 * (len(right) < 2 and not right.isdigit())
        gap = token.start + at
        yield Candidate(
            "split_name",
            cost + 3.5 * unknown + short - 1.5 * (strange and not unknown),
            ((gap, gap, between),),
        )
