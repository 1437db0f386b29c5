"""The search: candidates at the first fault, cheapest first, each checked by the interpreter; then the next fault."""

import ast
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

from graced.repair import (
    blocks,
    brackets,
    expressions,
    fallback,
    foreign,
    fstrings,
    habits,
    idioms,
    indent,
    leftovers,
    names,
    py2,
    statements,
    strings,
    tokens,
    words,
)
from graced.repair.budget import Budget
from graced.repair.check import Fault, fault_of
from graced.repair.edits import Candidate, applied
from graced.repair.indent import CLAUSES
from graced.repair.lex import Source, tokens_of
from graced.repair.past import Hints
from graced.repair.score import Scorer
from graced.repair.site import Site

FAMILIES: tuple[Callable[[Site], Iterator[Candidate]], ...] = (
    habits.candidates, expressions.candidates, names.candidates, leftovers.candidates, fstrings.candidates,
    idioms.candidates, statements.candidates, blocks.candidates, indent.candidates, strings.candidates,
    foreign.candidates, brackets.candidates, words.candidates, tokens.candidates, fallback.candidates,
)  # fmt: skip
WEIGHT = 0.6
"""What a nat of the token model counts beside a nat of a rule's cost."""
CHECKS = 70
"""Candidates compiled at one fault at most."""
ENOUGH = 4
"""As many that get past the fault are enough to choose from,"""
MARGIN = 4.0
"""once all others cost so many nats more than the best."""
BEAM = 3
ROUNDS = 60
"""Faults mended in one file at most."""
STEP = 1.5
"""Nats for each further candidate: few edits are more likely than many."""
WORTH_CUTTING = 40
"""With as many lines above the fault, candidates are first tried without them."""
ELSEWHERE = 3.0
"""Nats added to a candidate that edits only lines which were the same when the file last compiled."""
PUT_BACK = 1.5
"""Nats off for a candidate all of whose tokens stood in the lines that changed since."""
NO_HINTS = Hints()
STUCK = 3.0
"""Nats added to a candidate that only moves the fault within the same statement."""


DISTANT = frozenset(("async_def", "declared_late", "reserved_word", "future_import", "python2"))
"""Rules that mend far from what is wrong."""


class State(NamedTuple):
    """A text on the way to compiling. `steps` are the candidates taken, `rivals` the cost to the next best choice.

    `other` is the next best text that compiles, as far as one was met.
    """

    text: str
    fault: Fault | None
    cost: float
    steps: tuple[Candidate, ...]
    rivals: float
    stuck: int = 0
    other: str = ""


Check = Callable[[str], Fault | None]


def search(beam: list[State], check: Check, budget: Budget, hints: Hints = NO_HINTS) -> State | None:
    """The cheapest text found that compiles, or None. `check` counts itself against `budget`.

    `hints` are what the file's past tells: a fault is seldom mended in lines that did not change, and often by what
    stood in those that did.
    """
    whole = [state for state in beam if state.fault is None]
    best = min(whole, key=lambda state: state.cost) if whole else None
    beam = [state for state in beam if state.fault is not None and (best is None or state.cost < best.cost)]
    seen = {hash(state.text) for state in beam}
    scorer: Scorer | None = None
    for _ in range(ROUNDS if beam else 0):
        grown: list[State] = []
        for state in beam:
            if budget.spent:
                return best
            source = Source(state.text)
            assert state.fault is not None
            at = min(state.fault.line - 1, len(source.lines) - 1)
            if scorer is None:
                scorer = Scorer(source, (source.logical_start(at), source.logical_end(at)))
            else:
                scorer.forget()
            grown += _grown(state, source, scorer, check, budget, seen, hints)
        if not grown:
            return best
        done = [state for state in grown if state.fault is None]
        if done:
            first = min(done, key=lambda state: state.cost)
            if best is None or first.cost < best.cost:
                others = [s for s in done if s.text != first.text and not _alike(first, s)]
                best = first
                if others:
                    second = min(others, key=lambda state: state.cost)
                    best = first._replace(rivals=min(first.rivals, second.cost - first.cost), other=second.text)
        grown = [s for s in grown if s.fault is not None and (best is None or s.cost < best.cost)]
        grown.sort(key=lambda state: state.cost)
        beam = grown[:1] if grown and len(grown) > 1 and grown[1].cost - grown[0].cost > MARGIN else grown[:BEAM]
        if not beam:
            return best
    return best


def _grown(
    state: State,
    source: Source,
    scorer: Scorer,
    check: Check,
    budget: Budget,
    seen: set[int],
    hints: Hints,
) -> Iterator[State]:
    """The states that one more candidate leads to, those that get past the fault, or else those that move it."""
    assert state.fault is not None
    ranked = [(c + _hinted(source, one, hints), one) for c, one in _candidates(state.fault, source, scorer, budget)]
    ranked.sort(key=lambda pair: pair[0])
    tried: set[int] = set()  # hashes: the texts themselves would fill the memory
    past: list[State] = []
    moved: list[State] = []
    checks = 0
    cut = _cut(source, state.fault.line - 1)
    for cost, candidate in ranked:
        if (checks >= CHECKS and past) or checks >= 3 * CHECKS:
            break
        if past and (cost > past[0].cost - state.cost - STEP + MARGIN or len(past) >= ENOUGH):
            break
        text = applied(state.text, candidate.edits)
        key = hash(text)
        if key in tried or text == state.text:
            continue
        tried.add(key)
        if budget.spent:
            break
        checks += 1
        kind, fault = "past", None
        if cut and candidate.edits[0][0] >= source.lines[cut].start:
            part = text[source.lines[cut].start :]
            budget.compiled(len(part))
            fault = fault_of("\n" * cut + part)
            kind = _progress(state, source, candidate, fault)
        if kind == "past" or (fault is not None and fault.line <= cut):
            fault = check(text)
            kind = _progress(state, source, candidate, fault)
        total = state.cost + cost + STEP
        if kind == "past":
            past.append(State(text, fault, total, (*state.steps, candidate), state.rivals))
        elif kind == "moved" and state.stuck < 2 and len(moved) < 6:
            moved.append(State(text, fault, total + STUCK, (*state.steps, candidate), state.rivals, state.stuck + 1))
    for out in (past, moved[: 2 if past else 6]):
        for index, new in enumerate(out):
            if hash(new.text) in seen:
                continue
            seen.add(hash(new.text))
            if not index and len(out) > 1:
                other = next((rival for rival in out[1:] if not _alike(new, rival)), None)
                if other is not None:
                    second = other.text if other.fault is None else new.other
                    new = new._replace(rivals=min(new.rivals, other.cost - new.cost), other=second)
            elif index:
                new = new._replace(rivals=0.0)
            yield new


def _alike(one: State, rival: State) -> bool:
    """Is the rival no reading of its own? Blanks and comments tell none apart, nor do superfluous brackets.

    Nor is it one if it has a loop more that is left in its first turn, which nobody means.
    """
    if one.fault is not None or rival.fault is not None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree, other = ast.parse(one.text), ast.parse(rival.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return ast.dump(tree) == ast.dump(other) or _pointless_loops(other) > _pointless_loops(tree)


def _pointless_loops(tree: ast.Module) -> int:
    """Loops with several statements, the last of them a `return` under no condition, and no `continue`."""
    return sum(
        isinstance(node, ast.For | ast.While)
        and len(node.body) > 1
        and isinstance(node.body[-1], ast.Return)
        and not any(isinstance(part, ast.Continue) for part in ast.walk(node))
        for node in ast.walk(tree)
    )


def _hinted(source: Source, candidate: Candidate, hints: Hints) -> float:
    """Nats for a candidate that edits only lines which did not change; off for one that puts back what stood there."""
    if not hints.unchanged or candidate.rule in DISTANT:
        return 0.0
    put = [
        token.text for _, _, new in candidate.edits if len(new) < 40 for token in tokens_of(new) if token.text.strip()
    ]
    back = PUT_BACK if put and all(text in hints.lost for text in put) else 0.0
    for start, end, _ in candidate.edits:
        for index in range(source.line_at(start), source.line_at(max(start, end - 1)) + 1):
            line = source.text[source.lines[index].start : source.lines[index].end].rstrip()
            if line not in hints.unchanged:
                return -back
    return ELSEWHERE - back


def _cut(source: Source, at: int) -> int:
    """The line of the top-level statement that the statement before line `at` is in; 0 if there is too little above.

    What is above parses, so that a candidate further down that fails without it, fails with it. That is seen in a
    fraction of the time; what does not fail is checked as a whole.
    """
    line = source.previous_logical(source.logical_start(min(at, len(source.lines) - 1))) or 0
    while line > WORTH_CUTTING and not (
        source.lines[line].logical and not source.lines[line].width and source.first_word(line)[:1].isalpha()
    ):
        line -= 1
    return line if line > WORTH_CUTTING and source.first_word(line) not in CLAUSES else 0


def _progress(state: State, source: Source, candidate: Candidate, fault: Fault | None) -> str:
    """Is the candidate "past" the fault (nothing wrong near it any more), has it "moved" it, or neither ("")?"""
    if fault is None:
        return "past"
    old = state.fault
    assert old is not None
    low, high = candidate.edits[0], candidate.edits[-1]
    grown = sum(new.count("\n") - source.text.count("\n", start, end) for start, end, new in candidate.edits)
    first = source.logical_start(min(source.line_at(low[0]), old.line - 1))
    last = max(source.line_at(max(high[0], high[1] - 1)), old.line - 1) + grown
    line = fault.line - 1
    if line > last and "never closed" not in fault.message:
        return "past" if line > source.logical_end(min(last, len(source.lines) - 1)) else "moved"
    if line < first and "never closed" not in fault.message and "triple-quoted" not in fault.message:
        return "past"
    if "never closed" in fault.message and line > last:
        return "past"
    if (fault.line, fault.column) > (old.line, old.column) or fault.message != old.message:
        return "moved"
    return ""


def _candidates(fault: Fault, source: Source, scorer: Scorer, budget: Budget) -> Iterator[tuple[float, Candidate]]:
    """All candidates with their costs in nats."""
    site = Site(source, fault, scorer)
    size = source.lines[site.high].next - source.lines[site.low].start
    for candidate in py2.candidates(source, fault):
        yield candidate.cost + WEIGHT * scorer.delta(source, candidate, site.at), candidate
    for family in FAMILIES:
        for candidate in family(site):
            if budget.spent:
                return
            if candidate.edits:
                budget.scored(size)
                yield candidate.cost + WEIGHT * scorer.delta(source, candidate, site.at), candidate
