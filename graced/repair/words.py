"""Words written wrong: keywords misspelt anywhere in a statement, words of other languages, words run together."""

from collections.abc import Iterator
from functools import lru_cache

from graced.repair.edits import Candidate, Edit
from graced.repair.lex import KEYWORDS, NAME, Token
from graced.repair.site import Site

SHORT = frozenset(("else", "is", "as", "or", "in", "if", "async"))
"""Keywords that may themselves be another one misspelt."""
PREFIXES = (
    "if",
    "in",
    "not",
    "return",
    "for",
    "import",
    "and",
    "or",
    "is",
    "from",
    "while",
    "print",
    "elif",
    "def",
    "class",
    "as",
    "raise",
    "del",
    "yield",
    "await",
    "assert",
    "except",
    "with",
)
"""Words that run together with what follows (`returnx`)."""
NOT_PYTHON = {
    "elseif": "elif",
    "elsif": "elif",
    "elif": "elif",
    "function": "def",
    "func": "def",
    "fn": "def",
    "foreach": "for",
    "null": "None",
    "nil": "None",
    "true": "True",
    "false": "False",
    "catch": "except",
    "throw": "raise",
    "switch": "match",
    "const": "",
    "var": "",
    "let": "",
    "new": "",
    "void": "def",
    "include": "import",
    "require": "import",
    "then": "",
    "do": "",
    "public": "",
    "private": "",
}
"""Words of other languages, and the Python for them ("": leave it out)."""
NEGATED = {"unless": "if not ", "until": "while not "}
NEGATED_BONUS = 4.0
"""Nats off: nobody means anything else by them, and `not` is rarer than a plain condition."""
LOOSE = frozenset(("and", "or", "if", "else", "lambda", ":=", ","))
"""What binds less than `not`: a condition with one needs parentheses behind it."""
FIRST = frozenset(
    ("global", "nonlocal", "del", "await", "import", "from", "class", "def", "return", "raise", "assert", "yield")
)
"""Keywords that a statement begins with and a name follows."""
STRANGE_FIRST = 6.0
"""Nats off for one of these where the first word of a statement is no name that the file knows."""
SOFT = ("match", "case")


def candidates(site: Site) -> Iterator[Candidate]:
    if site.tokens:
        yield from _misspelt(site)
        yield from _soft(site)


def _soft(site: Site) -> Iterator[Candidate]:
    """`match` and `case`, which are keywords only where a `case` or a `match` is near."""
    token, src = site.tokens[0], site.src
    if token.kind != NAME or token.text in SOFT or token.text in KEYWORDS:
        return
    below, above = src.next_logical(site.high), src.previous_logical(site.low)
    if below is not None and src.first_word(below) == "case" and _near(token.text, "match"):
        yield Candidate("misspelt_keyword", -STRANGE_FIRST, ((token.start, token.end, "match"),))
    while above is not None and src.lines[above].width >= src.lines[site.low].width:
        if src.lines[above].width == src.lines[site.low].width and src.first_word(above) != "case":
            return
        above = src.previous_logical(above)
    if above is not None and src.first_word(above) == "match" and _near(token.text, "case"):
        yield Candidate("misspelt_keyword", -STRANGE_FIRST, ((token.start, token.end, "case"),))


def _near(word: str, keyword: str) -> bool:
    return _distance(word, keyword, 1) <= 1


def _follows_if(site: Site) -> bool:
    """Is the statement before on this level an `if` or `elif`?"""
    src = site.src
    level, at = src.lines[site.low].width, src.previous_logical(site.low)
    while at is not None and src.lines[at].width > level:
        at = src.previous_logical(at)
    return at is not None and src.lines[at].width == level and src.first_word(at) in ("if", "elif")


def _misspelt(site: Site) -> Iterator[Candidate]:
    """Keywords written wrong, anywhere in the statement up to the fault, and words from other languages."""
    tokens = site.tokens
    for index in range(min(len(tokens), site.there + 2)):
        token = tokens[index]
        if token.kind != NAME or (token.text in KEYWORDS and token.text not in SHORT):
            continue
        first = not index
        near = 0.1 * max(0, site.here - index)
        other = NOT_PYTHON.get(token.text)
        if other is not None and other != token.text:
            end = token.end if other or index + 1 == len(tokens) else tokens[index + 1].start
            yield Candidate("not_python", 1.0 + near, ((token.start, end, other),))
        if token.text in NEGATED and index + 1 < len(tokens):
            yield Candidate("not_python", near - NEGATED_BONUS, _negated(tokens, index))
        for word, distance in near_keywords(token.text):
            known = 2.5 if site.scorer.names[token.text] > 1 else 0.0
            cost = 0.6 * distance + known + near + (0.0 if first else 1.0) - 1.0 * (not site.scorer.knows(token.text))
            if (
                first
                and word in FIRST
                and len(tokens) > 1
                and tokens[1].kind == NAME
                and not site.scorer.names[token.text]
            ):
                cost -= STRANGE_FIRST
            if first and word == "elif" and _follows_if(site):
                cost -= STRANGE_FIRST
            yield Candidate("misspelt_keyword", cost, ((token.start, token.end, word),))
        if first and index + 1 < len(tokens) and tokens[1].kind == NAME:
            glued = token.text + tokens[1].text
            if glued in KEYWORDS:
                yield Candidate("misspelt_keyword", 1.0, ((token.start, tokens[1].end, glued),))
    for index, token in enumerate(tokens[: site.there + 1]):
        if token.kind == NAME and token.text not in KEYWORDS and token.text != "_":
            for word in PREFIXES:
                rest = token.text[len(word) :]
                if token.text.startswith(word) and rest and (site.scorer.knows(rest) or index == 0):
                    at = token.start + len(word)
                    yield Candidate("split_name", 2.5, ((at, at, " "),))


def _negated(tokens: list[Token], index: int) -> tuple[Edit, ...]:
    """`unless` and `until` ask for the opposite of what `if` and `while` do."""
    word, condition = tokens[index], tokens[index + 1 :]
    end = next((i for i, token in enumerate(condition) if token.text in (":", ";", "{", "then", "do")), len(condition))
    replaced = NEGATED[word.text]
    if not end or not any(token.text in LOOSE for token in condition[:end]):
        return ((word.start, condition[0].start, replaced),)
    last = condition[end - 1]
    return ((word.start, condition[0].start, replaced + "("), (last.end, last.end, ")"))


@lru_cache(maxsize=4096)
def near_keywords(word: str) -> tuple[tuple[str, int], ...]:
    """Keywords that one slip (a letter missing, extra, wrong, or two swapped) away, or two for long words."""
    if len(word) > 10:
        return ()
    found = []
    for keyword in KEYWORDS:
        if keyword == word or abs(len(keyword) - len(word)) > 2:
            continue
        if word.lower() == keyword.lower():
            found.append((keyword, 1))
            continue
        limit = 1 if min(len(keyword), len(word)) < 5 else 2
        distance = _distance(word, keyword, limit)
        total, swapped = len(word) + len(keyword), sorted(word) == sorted(keyword)
        if distance <= limit and (
            min(len(word), len(keyword)) > 2 or (distance == 1 and (total > 4 or swapped or len(word) == 1))
        ):
            found.append((keyword, distance))
    return tuple(sorted(found, key=lambda pair: (pair[1], pair[0])))


def _distance(a: str, b: str, limit: int) -> int:
    """Damerau-Levenshtein (swaps of neighbours count one), `limit` + 1 if it is more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        before, above, row = row, before, [i]
        for j, right in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, above[j - 2] + 1)
            row.append(best)
        if min(row) > limit:
            return limit + 1
    return row[-1]
