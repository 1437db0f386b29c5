"""One token too few, too many, or wrong, at or a little before the fault: the search behind the rules."""

import itertools
from collections.abc import Iterator

from graced.repair.brackets import Balance, split_names
from graced.repair.edits import Candidate
from graced.repair.indent import newline_of, step_of
from graced.repair.lex import (
    BAD,
    BADSTR,
    CLOSES,
    COMMENT,
    HEADERS,
    KEYWORDS,
    NAME,
    NEWLINE,
    OP,
    OPENS,
    STRING,
    Token,
    is_name,
)
from graced.repair.ngram import BEGIN, END_PLAIN, key_of
from graced.repair.site import Site

BACK, AHEAD = 8, 2
"""How many tokens before and behind the fault are looked at."""
KEPT = 30
"""The most plausible single-token candidates that are passed on."""

INSERTED = {
    ",": 1.0, "=": 1.5, ".": 1.8, ":": 2.0, "(": 5.0, ")": 5.0, "==": 3.0, "+": 2.5, "-": 3.5, "*": 3.5, "/": 4.0,
    "%": 2.5, "in": 2.5, "and": 3.0, "or": 3.0, "is": 3.5, "not": 4.0, "import": 2.0, "as": 3.0, "if": 3.0, "else": 3.0,
    "for": 3.0, "<": 4.0, ">": 4.0, "|": 4.5, "&": 4.5, "**": 5.0, "//": 5.0, "->": 3.0, "lambda": 6.0, "from": 3.5,
    "return": 4.0, "def": 3.0, "class": 3.0, "None": 6.0, "+=": 4.5, "!=": 5.0, ">=": 5.0, "<=": 5.0,
}  # fmt: skip
"""Tokens that may be missing, and the cost of supposing so."""
SELF_DOT = 5.0
"""Nats off for the dot of an attribute: what follows `self` is seldom anything else."""
CONFUSED = {
    ";": ((":", 1.5), (",", 2.0)), "=": (("==", 1.0), (":", 3.0), ("-", 3.0), (",", 4.0)), "==": (("=", 2.0),),
    ".": ((",", 2.5),), ",": ((".", 2.5), (":", 3.0), (";", 6.0)), "?": ((":", 4.0),), "+": (("=", 4.0),),
    ":": (("=", 2.5), (",", 2.5), (".", 4.0), (";", 6.0)), ":=": ((":", 3.0), ("=", 3.0)), "->": ((":", 4.0),),
    "<": (("(", 4.0),), ">": ((")", 4.0), (":", 4.5)), "-": (("=", 3.0), ("_", 4.0)), "*": (("**", 6.0),),
    "&": ((" and ", 2.5),), "|": ((" or ", 2.5),), "~": (("-", 4.0), ("not ", 4.0)),
    "{": (("(", 4.0), (":", 3.0)), "}": ((")", 4.0),), "[": (("(", 4.0),), "]": ((")", 4.0),),
}  # fmt: skip
"""Tokens typed for one another."""
IDLE = frozenset(("+", "-", "*", "/", "%", "<", ">", "|", "&", "**", "//", "==", "!=", ">=", "<=", "and", "or", "is"))
"""Operators that a statement has no effect with."""


def candidates(site: Site) -> Iterator[Candidate]:
    tokens = site.tokens
    if not tokens:
        return
    low, high = max(0, site.here - BACK), min(len(tokens), site.there + 1 + AHEAD)
    if high - low > 3 * BACK:  # a fault that spans much: its two ends
        spans = [range(low, site.here + AHEAD + 1), range(max(low, site.there - BACK), high)]
    else:
        spans = [range(low, high)]
    indices = sorted({index for span in spans for index in span if index < len(tokens)})
    balanced = not Balance(tokens)
    found = list(_singles(site, indices, balanced))
    yield from _split_header(site)
    yield from _split_lines(site, range(max(1, site.here - 1), min(len(tokens), site.there + 2)))
    found.sort(key=lambda candidate: candidate.cost + (candidate.delta or 0.0))
    yield from found[:KEPT]
    for index in indices:
        if tokens[index].kind == NAME and tokens[index].text not in KEYWORDS:
            for between, cost in (("=", 2.0), (".", 2.0), (" ", 2.5), ("(", 4.0), (", ", 3.5)):
                if between != "(" or not balanced:
                    yield from split_names(site, tokens[index], between, cost, strangers=int(between == "="))


def _split_header(site: Site) -> Iterator[Candidate]:
    """A body of several lines whose first one stands on the header's line."""
    src = site.src
    above = src.previous_logical(site.low)
    if site.fault.kind != "IndentationError" or above is None or src.first_word(above) not in HEADERS:
        return
    run = src.tokens[src.lines[above].first : src.lines[src.logical_end(above)].stop]
    code, depth = [token for token in run if token.kind not in (COMMENT, NEWLINE)], 0
    for token, after in itertools.pairwise(code):
        depth += (token.text in OPENS) - (token.text in CLOSES)
        if token.text == ":" and not depth:
            new = newline_of(site.text) + src.lines[site.low].indent
            if after is code[-1] and after.kind == NAME and len(after.text) <= 2 and not site.scorer.names[after.text]:
                yield Candidate("delete_token", -2.0, ((token.end, after.end, ""),), 0.0)
            yield Candidate("missing_newline", 1.0, ((token.end, after.start, new),))


def _split_lines(site: Site, indices: range) -> Iterator[Candidate]:
    """A newline lost between two statements: the second begins at a level that is open, or deeper behind a colon."""
    tokens, text, src = site.tokens, site.text, site.src
    line = src.lines[site.low]
    newline = newline_of(text)
    indents = {line.indent: 0.0}
    for at in range(site.low - 1, max(-1, site.low - 60), -1):
        above = src.lines[at]
        if above.logical and above.width < min(len(i.expandtabs(8)) for i in indents):
            indents[above.indent] = 0.5
    for index in indices:
        token, before = tokens[index], tokens[index - 1]
        if token.kind not in (NAME, STRING) or "\n" in text[before.end : token.start]:
            continue
        if (before.text not in (")", "]", "}", ":") and before.kind == OP) or token.text in ("in", "and", "or", "is"):
            continue
        options = {line.indent + step_of(src, site.low): 0.0} if before.text == ":" else indents
        two = index + 1 < len(tokens) and tokens[index + 1].text == "=" and any(t.text == "=" for t in tokens[1:index])
        for indent, cost in options.items():
            cost -= 3.0 * (two and line.depth == 0)  # two assignments
            yield Candidate("missing_newline", 3.0 + cost, ((before.end, token.start, newline + indent),))


def _singles(site: Site, indices: list[int], balanced: bool) -> Iterator[Candidate]:
    """Inserted, deleted and replaced tokens, with their deltas taken from the model without lexing anew."""
    tokens, text, scorer = site.tokens, site.text, site.scorer
    line = [BEGIN, END_PLAIN, *map(key_of, tokens), END_PLAIN, BEGIN]

    def cost_around(at: int, middle: list[str], skipped: int) -> float:
        return scorer.cost_of(line[at : at + 2] + middle + line[at + 2 + skipped : at + 4 + skipped])

    idle = 3.0 if tokens[0].kind == NAME and not any(token.text in ("=", ":") for token in tokens) else 0.0
    for index in indices:
        token = tokens[index]
        gap = token.start
        near = 0.25 * abs(index - site.here) if index <= site.here else 0.5 * (index - site.there)
        near = max(near, 0.0)
        base = cost_around(index, [], 0)
        left = tokens[index - 1].text if index else ""
        if is_name(left) and is_name(token.text) and not scorer.knows(left) and not scorer.knows(token.text):
            near += 2.0  # two words that nobody knows are prose
        glued = not index or tokens[index - 1].end == gap
        for string, cost in INSERTED.items():
            if string in "()" and balanced:
                continue
            delta = cost_around(index, [string], 0) - base
            cost += _fit(string, text, tokens, index) + idle * (index == 1 and string in IDLE)
            spot = _insertion(text, gap, string, glued)
            if string == "," and index and "\n" in text[tokens[index - 1].end : gap]:
                spot = (tokens[index - 1].end, tokens[index - 1].end, string)
            rule = "missing_comma" if string == "," else "missing_word" if string.isalpha() else "missing_operator"
            if string == "." and left in ("self", "cls") and token.kind == NAME:
                cost -= SELF_DOT
            if string == "," and glued and index and token.kind == NAME and tokens[index - 1].kind == OP:
                cost += 2.0  # `f()Y` is no list
            yield Candidate(rule, cost + near, (spot,), delta)
        one = cost_around(index, [line[index + 2]], 1)
        if token.kind == BADSTR or "\n" in token.text:
            continue
        weight = 3.5 if token.kind in (OP, BAD) else 6.0
        if token.kind == OP and (token.text in OPENS or token.text in CLOSES):
            continue  # which bracket is too many is for the rules of brackets to say
        weight -= token.kind == BAD or (token.kind == NAME and len(token.text) == 1)
        weight -= _litter(text, tokens, index, scorer.names[token.text])
        if token.kind == OP and index and tokens[index - 1].text == token.text and token.text in ",.:;=+":
            yield Candidate("doubled_token", 0.5 + near, ((token.start, token.end, ""),))
        yield Candidate("delete_token", weight + near, ((token.start, token.end, ""),),
                        0.5 * (cost_around(index, [], 1) - one))  # fmt: skip
        for string, cost in CONFUSED.get(token.text, ()):
            delta = cost_around(index, [string.strip()], 1) - one
            yield Candidate("wrong_token", cost + near, ((token.start, token.end, string),), delta)
        if token.kind == NAME and index and tokens[index - 1].text == token.text and token.text in KEYWORDS:
            yield Candidate("doubled_word", 1.0, ((tokens[index - 1].end, token.end, ""),))
    last = tokens[-1]
    if site.here >= len(tokens) - 2 or site.there >= len(tokens) - 2:
        at = len(tokens)
        base = cost_around(at, [], 0)
        if tokens[0].text in HEADERS:
            delta = cost_around(at, [":"], 0) - base
            yield Candidate("missing_colon", 1.0, ((last.end, last.end, ":"),), min(delta, 0.0))
        if last.text == "import":
            yield Candidate("missing_value", 1.0, ((last.end, last.end, " *"),), cost_around(at, ["*"], 0) - base)
        if last.kind == OP and last.text not in (")", "]", "}", ":", ";", ","):
            delta = cost_around(at, ["None"], 0) - base
            yield Candidate("missing_value", 2.0, ((last.end, last.end, " None"),), delta)


def _litter(text: str, tokens: list[Token], index: int, seen: int) -> float:
    """Nats off for a word at the end of a statement, as a slip of the hand leaves it (`print(x)s`)."""
    token = tokens[index]
    if not index or token.kind != NAME or token.text in KEYWORDS or seen > 1 or len(token.text) > 2:
        return 0.0
    before = tokens[index - 1]
    if before.text not in (")", "]", "}") and before.kind != STRING:
        return 0.0
    if index + 1 < len(tokens) and text[token.end : token.end + 1] not in ("\n", "\r"):
        return 0.0
    return 4.0 if before.end == token.start else 2.5


def _fit(string: str, text: str, tokens: list[Token], index: int) -> float:
    """How the blanks around a gap speak for (below zero) or against a token that was there.

    Two blanks where one would do are what a lost operator leaves; none, what a `.`, `(` or a keyword's `=` leaves.
    """
    if not index or "\n" in text[tokens[index - 1].end : tokens[index].start]:
        return 0.0
    left = tokens[index - 1]
    blanks = tokens[index].start - left.end
    cost = 0.0
    if string in (".", "("):
        cost = 2.5 if blanks else -0.5
    elif string == ",":
        cost = -0.3 if blanks == 1 else 1.0
    elif string not in (":", "=", ")"):
        cost = -1.2 if blanks == 2 else 0.8 if not blanks else 0.3
    elif string == "=":
        cost = -1.0 if blanks in (0, 2) else 0.5
    if string == "%" and left.kind == STRING and "%" in left.text:
        cost -= 2.5
    return cost


def _insertion(text: str, gap: int, string: str, glued: bool) -> tuple[int, int, str]:
    """Where to put a missing token, and the blanks around it, as a person would."""
    start = gap
    while start and text[start - 1] in " \t":
        start -= 1
    if start and text[start - 1] in "\r\n":  # at the beginning of a line
        return gap, gap, string + (" " if string.isalpha() else "")
    if string == ",":
        return start, start, "," if start < gap else ", "
    if string in (".", "("):
        return gap, gap, string
    if start < gap:
        if gap - start >= 2 and not string.isalpha():
            return start + 1, start + 1, string
        return gap, gap, string + " "
    return gap, gap, f" {string} " if string.isalpha() or not glued else string
