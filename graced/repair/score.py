"""How plausible a text is: the model of the standard library, mixed with what the file itself does elsewhere."""

import builtins
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from graced.repair.edits import Candidate, Edit, applied
from graced.repair.lex import BADSTR, KEYWORDS, NAME, STRING, Source, tokens_of
from graced.repair.ngram import BEGIN, SCALE, Model, load, sequence

OWN_WEIGHT_TWO = 0.30
OWN_WEIGHT_THREE = 0.35
"""How much the file's own pairs and triples of tokens count against the model's, once seen often."""
BUILTINS = frozenset(dir(builtins))
COINED = 4.0
"""Nats (before weighting) for a name that an edit makes and that nobody knows; as many off for one that it ends."""
WORD, MARK = 2.4, 3.0
"""Nats (before weighting) for a word, and for a mark that code is made of, inside a string literal."""
NEAR_CHARS = 200
NEAR_LINES = 6
FAR_LINES = 30
"""An edit that is further from the fault is scored without it."""
CONTEXT_LINES = 12
"""A statement is followed this many lines to its ends when a candidate is scored."""


_EXP = [math.exp(-cost / SCALE) for cost in range(1024)]
_WORD = re.compile(r"\w+")
_MARK = re.compile(r"[()\[\]{}=,:.%+'\"]")


class Scorer:
    """Made once for a file; `skip` are the lines to leave out of its own counts (those of the fault)."""

    def __init__(self, src: Source, skip: tuple[int, int], model: Model | None = None) -> None:
        self.model = model or load()
        self.names: Counter[str] = Counter()
        self._two: Counter[tuple[str, str]] = Counter()
        self._three: Counter[tuple[str, str, str]] = Counter()
        self._one: Counter[str] = Counter()
        low, high = src.lines[skip[0]].first, src.lines[skip[1]].stop
        for part in (src.tokens[:low], src.tokens[high:]):
            run = sequence(part, [0], src.text)
            self._one.update(run[:-1])
            self._two.update(itertools.pairwise(run))
            self._three.update(zip(run, run[1:], run[2:], strict=False))
            self.names.update(token.text for token in part if token.kind == NAME)
        self._ids: dict[str, int] = {}
        self._regions: dict[tuple[int, int], tuple[float, set[str]]] = {}

    def forget(self) -> None:
        """Drops what was remembered about regions of the text: it has changed."""
        self._regions.clear()

    def knows(self, name: str) -> bool:
        """Is `name` a word that this file or Python uses?"""
        if name in self.names or name in KEYWORDS or name in BUILTINS or name in self.model.ids:
            return True
        return len(name) > 4 and name.startswith("__") and name.endswith("__")

    def cost_of(self, keys: Sequence[str]) -> float:
        """Nats of the keys from the third on; the first two are context."""
        model_cost, one, two, three = self.model.cost, self._one, self._two, self._three
        ids = []
        for key in keys:
            found = self._ids.get(key)
            if found is None:
                found = self._ids[key] = self.model.id_of(key)
            ids.append(found)
        total = 0.0
        product = 1.0
        a, b = ids[0], ids[1]
        first, second = keys[0], keys[1]
        for at in range(2, len(keys)):
            c, key = ids[at], keys[at]
            p = _EXP[model_cost(a, b, c)]
            seen = one.get(second)
            if seen:
                weight = OWN_WEIGHT_TWO * seen / (seen + 2)
                p = p * (1 - weight) + weight * two.get((second, key), 0) / seen
                seen = two.get((first, second))
                if seen:
                    weight = OWN_WEIGHT_THREE * seen / (seen + 1)
                    p = p * (1 - weight) + weight * three.get((first, second, key), 0) / seen
            product *= p
            if product < 1e-200:
                total -= math.log(product)
                product = 1.0
            a, b, first, second = b, c, second, key
        return total - math.log(product)

    def delta(self, src: Source, candidate: Candidate, at: int) -> float:
        """How many nats less usual `src` becomes by the candidate near line `at` (negative: more usual).

        Of a candidate that edits many places only those by the fault count, so that it compares with others that
        leave the other places for later.
        """
        if candidate.delta is not None:
            return candidate.delta
        edits = _near(src, candidate.edits, at)
        low = src.logical_start(src.line_at(edits[0][0]), CONTEXT_LINES)
        high = src.logical_end(src.line_at(max(edits[-1][0], edits[-1][1] - 1)), CONTEXT_LINES)
        if at - FAR_LINES < low and high < at + FAR_LINES:  # the fault itself must be seen to go
            low = min(low, src.logical_start(at, CONTEXT_LINES))
            high = max(high, src.logical_end(at, CONTEXT_LINES))
        before = src.previous_logical(low)
        if before is not None and low - before <= CONTEXT_LINES:
            low = before
        after = src.next_logical(high)
        if after is not None and after - high <= CONTEXT_LINES:
            high = src.logical_end(after, CONTEXT_LINES)
        start, end = src.lines[low].start, max(src.lines[high].next, edits[-1][1])
        levels = src.levels(low)
        key = (start, end)
        old = self._regions.get(key)
        if old is None:
            old = self._regions[key] = self._region(src.text[start:end], levels, src.lines[low].depth)
        shifted = tuple((s - start, e - start, new) for s, e, new in edits)
        cost, names = self._region(applied(src.text[start:end], shifted), levels, src.lines[low].depth)
        coined = sum(not self.knows(name) for name in names - old[1])
        coined -= sum(not self.knows(name) for name in old[1] - names)
        return cost - old[0] + COINED * coined

    def _region(self, text: str, levels: list[int], depth: int) -> tuple[float, set[str]]:
        """Nats of a run of whole statements, and the names in it."""
        tokens = tokens_of(text)
        cost = self.cost_of([BEGIN, BEGIN, *sequence(tokens, levels, text, depth)])
        cost += sum(content_cost(token.text) for token in tokens if token.kind in (STRING, BADSTR))
        return cost, {token.text for token in tokens if token.kind == NAME}


@lru_cache(maxsize=2048)
def content_cost(string: str) -> float:
    """Nats for what is inside a string literal, so that code does not come free by being swallowed by one."""
    body = string[: 4 * NEAR_CHARS]
    return WORD * len(_WORD.findall(body)) + MARK * len(_MARK.findall(body))


def _near(src: Source, edits: tuple[Edit, ...], at: int) -> tuple[Edit, ...]:
    """The edits within a few lines of line `at`; all of them if they are few or none is that near."""
    if len(edits) == 1:
        return edits
    low, high = src.lines[max(0, at - NEAR_LINES)].start, src.lines[min(len(src.lines) - 1, at + NEAR_LINES)].next
    near = tuple(edit for edit in edits if low <= edit[0] <= high)
    return near or edits[:8]


__all__ = ["BUILTINS", "Scorer"]
