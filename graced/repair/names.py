"""Names that are none: with a blank or a dash in them, or a digit first. They are renamed wherever they are used."""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from graced.repair.edits import Candidate, Edit
from graced.repair.habits import ANNOTATIONS, TYPES
from graced.repair.lex import COMMENT, KEYWORDS, NAME, NEWLINE, NUMBER
from graced.repair.site import Site

MAX_USES: Final = 200


def candidates(site: Site) -> Iterator[Candidate]:
    if site.tokens:
        for way in _WAYS:
            yield from way(site)


def _named(site: Site) -> Iterator[Candidate]:
    """`first name = input()`: two words that stand together more than once are one name, everywhere."""
    tokens = site.tokens
    edits: list[Edit] = []
    pairs = {
        (a.text, b.text)
        for a, b in itertools.pairwise(tokens)
        if a.kind == NAME and b.kind == NAME and a.text not in KEYWORDS and b.text not in KEYWORDS
    }
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    for pair in sorted(pairs):
        uses = [
            (a, b)
            for a, b in itertools.pairwise(code)
            if (a.text, b.text) == pair and site.text[a.end : b.start] == " "
        ]
        if 1 < len(uses) < MAX_USES and pair[0] not in TYPES | ANNOTATIONS:
            edits = [(a.end, b.start, "_") for a, b in uses]
            yield Candidate("blank_in_name", -3.0, tuple(edits), 0.0)


def _digits_first(site: Site) -> Iterator[Candidate]:
    """`2nd_place = x`: a name that begins with a digit gets a `_` before it, everywhere."""
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    for number, name in zip(site.tokens, site.tokens[1:], strict=False):
        if (
            number.kind != NUMBER
            or name.kind != NAME
            or number.end != name.start
            or len(name.text) < 2
            or name.text in KEYWORDS
        ):
            continue
        edits = [
            (a.start, a.start, "_")
            for a, b in itertools.pairwise(code)
            if (a.text, b.text) == (number.text, name.text) and a.end == b.start
        ]
        if 1 < len(edits) < MAX_USES:
            yield Candidate("digit_name", -2.0, tuple(edits), 0.0)


def _dashed(site: Site) -> Iterator[Candidate]:
    """`my-var = 3`: where neither half is a name of its own, the dash becomes a `_`, everywhere."""
    tokens = site.tokens
    if len(tokens) < 4 or not (tokens[1].text == "-" and tokens[3].text in ("=", "+=", ",", ".")):
        return
    first, last = tokens[0], tokens[2]
    if first.kind != NAME or last.kind != NAME or first.end != tokens[1].start or tokens[1].end != last.start:
        return
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    edits = [
        (dash.start, dash.end, "_")
        for a, dash, b in zip(code, code[1:], code[2:], strict=False)
        if (a.text, dash.text, b.text) == (first.text, "-", last.text) and a.end == dash.start and dash.end == b.start
    ]
    uses = sum(t.text in (first.text, last.text) and t.kind == NAME for t in code)
    if uses == 2 * len(edits) and len(edits) < MAX_USES:
        yield Candidate("dash_in_name", -6.0, tuple(edits), 0.0)


_WAYS: Final[tuple[Callable[[Site], Iterator[Candidate]], ...]] = (_named, _digits_first, _dashed)
