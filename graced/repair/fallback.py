"""The last resort: the statement at the fault is commented out, or only what is behind the fault on its line."""

from collections.abc import Iterator

from graced.repair.edits import Candidate, Edit
from graced.repair.indent import newline_of
from graced.repair.lex import HEADERS, Source
from graced.repair.site import Site

COST = 9.0
"""Nats for commenting out one line of code; each further line costs `MORE`."""
MORE = 2.5


def candidates(site: Site) -> Iterator[Candidate]:
    src = site.src
    for low, high in dict.fromkeys(((site.at, site.at), (site.low, site.at), (site.low, site.high))):
        if high - low > 40:
            continue
        yield from _commented(src, low, high)
    before = src.previous_logical(site.low)
    if before is not None and site.low - before < 20:
        yield from _commented(src, before, src.logical_end(before), extra=1.5)
    if site.src.first_word(site.low) in HEADERS:
        end = site.high
        level = src.lines[site.low].width
        following = src.next_logical(end)
        while following is not None and src.lines[following].width > level:
            end = src.logical_end(following)
            following = src.next_logical(end)
        if site.high < end < site.low + 60:
            yield from _commented(src, site.low, end, extra=1.0)


def _commented(src: Source, low: int, high: int, extra: float = 0.0) -> Iterator[Candidate]:
    lines = [src.lines[index] for index in range(low, high + 1)]
    edits: list[Edit] = []
    for line in lines:
        at = line.start + len(line.indent)
        if line.end > at:
            edits.append((at, at, "# "))
    if not edits:
        return
    cost = COST + MORE * (len(edits) - 1) + extra
    rule = "commented_out" if len(edits) == 1 else "commented_lines"
    yield Candidate(rule, cost, tuple(edits), 0.0)
    indent = src.lines[low].indent
    first = edits[0]
    kept = (first[0], first[1], f"pass{newline_of(src.text)}{indent}# ")
    yield Candidate(rule, cost + 0.3, (kept, *edits[1:]), 0.0)
