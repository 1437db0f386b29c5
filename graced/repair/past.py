"""The file's own past: what changed since it last compiled, and what puts back a part of that.

A fault lies in what changed. Tokens that stood there before and are gone, or that came in by one slip of the hand, are
put back one by one, so that the rest of the change stays; a whole hunk is put back only as the last of the candidates.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from graced.repair.edits import Candidate
from graced.repair.lex import COMMENT, NEWLINE, Token, tokens_of

MAX_HUNKS: Final = 60
MAX_SLIP: Final = 3
"""Tokens that are put back or taken out at once, as one slip."""
MAX_CHARS: Final = 20_000
"""Characters of a hunk that is looked at for tokens that are gone."""
MAX_TOKENS: Final = 1500
"""Tokens of a hunk that is compared token by token."""
CONTEXT_RATIO: Final = 0.3
"""An earlier text that shares less of its lines is another file."""


class Hunk(NamedTuple):
    """Lines `low`..`high` (without) of the text that stand where lines `old_low`..`old_high` of the earlier one did."""

    old_low: int
    old_high: int
    low: int
    high: int


class Past(NamedTuple):
    """What `text` has of an earlier one: both as lines with newlines, and where they differ."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    @property
    def changed(self) -> frozenset[int]:
        """Indices of the lines that changed, with the one above and below a place where lines were only taken out."""
        found: set[int] = set()
        for hunk in self.hunks:
            found.update(range(hunk.low, hunk.high))
            if hunk.low == hunk.high:
                found.update((hunk.low - 1, hunk.low))
        return frozenset(found)

    @property
    def unchanged(self) -> frozenset[str]:
        """The lines, without trailing blanks, that were there before and do not border on a change."""
        near = self.changed
        near |= {index - 1 for hunk in self.hunks for index in (hunk.low,)}
        return frozenset(
            line.rstrip() for index, line in enumerate(self.new) if index not in near and line.strip()
        ) - frozenset(self.new[index].rstrip() for index in near if 0 <= index < len(self.new))

    @property
    def lost(self) -> Counter[str]:
        """The tokens that stood in the lines that changed, and are gone from there."""
        found: Counter[str] = Counter()
        for hunk in self.hunks[:MAX_HUNKS]:
            old, new = "".join(self.old[hunk.old_low : hunk.old_high]), "".join(self.new[hunk.low : hunk.high])
            if len(old) + len(new) <= MAX_CHARS:
                found += Counter(t.text for t in _code(old)) - Counter(t.text for t in _code(new))
        return found

    @property
    def hints(self) -> "Hints":
        return Hints(self.unchanged, frozenset(self.lost))


class Hints(NamedTuple):
    """What the past tells a search: lines that were there before, and tokens that stood in those that changed."""

    unchanged: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


def past_of(earlier: Sequence[str], text: str) -> Past | None:
    """The newest of the earlier texts, compared; None when there is none that is like `text`, or it is the same."""
    for before in earlier:
        before = before.removeprefix("\ufeff")
        old, new = before.splitlines(keepends=True), text.splitlines(keepends=True)
        if "\r\n" in text and "\r\n" not in before:
            old = [line.replace("\n", "\r\n") for line in old]
        elif "\r\n" in before and "\r\n" not in text:
            old = [line.replace("\r\n", "\n") for line in old]
        hunks = tuple(_hunks(old, new))
        same = len(new) - sum(hunk.high - hunk.low for hunk in hunks)
        if hunks and same >= CONTEXT_RATIO * min(len(new), len(old)):
            return Past(tuple(old), tuple(new), hunks)
    return None


def _hunks(old: list[str], new: list[str]) -> Iterator[Hunk]:
    low = 0
    while low < min(len(old), len(new)) and old[low] == new[low]:
        low += 1
    high = 0
    while high < min(len(old), len(new)) - low and old[-1 - high] == new[-1 - high]:
        high += 1
    matcher = difflib.SequenceMatcher(None, old[low : len(old) - high], new[low : len(new) - high], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield Hunk(low + a, low + b, low + c, low + d)


def candidates(past: Past, text: str) -> Iterator[Candidate]:
    """Each slip of each hunk undone, and each hunk put back. Offsets are those of `text`."""
    starts = [0]
    for line in past.new:
        starts.append(starts[-1] + len(line))
    for hunk in past.hunks[:MAX_HUNKS]:
        start, end = starts[hunk.low], starts[hunk.high]
        before = "".join(past.old[hunk.old_low : hunk.old_high])
        yield from _slips(before, text[start:end], start)
    for hunk in past.hunks[:MAX_HUNKS]:
        before = "".join(past.old[hunk.old_low : hunk.old_high])
        start, end = starts[hunk.low], starts[hunk.high]
        size = 0.3 * min(max(hunk.high - hunk.low, hunk.old_high - hunk.old_low), 20)
        yield Candidate("restored_hunk", 7.0 + size, ((start, end, before),), 0.0)


def _slips(before: str, now: str, base: int) -> Iterator[Candidate]:
    """One run of tokens put back as it was, where the hunk has more changes than that one."""
    old, new = _code(before), _code(now)
    if not old or not new or len(old) + len(new) > MAX_TOKENS:
        return
    matcher = difflib.SequenceMatcher(None, [t.text for t in old], [t.text for t in new], autojunk=False)
    opcodes = [op for op in matcher.get_opcodes() if op[0] != "equal"]
    for tag, a, b, c, d in opcodes:
        if b - a > MAX_SLIP or d - c > MAX_SLIP:
            continue
        alone = 1.5 * (len(opcodes) == 1)
        cost = 0.5 + 0.5 * max(b - a, d - c) + alone
        if tag == "delete":
            put = (
                before[old[a - 1].end if a else old[a].start : old[b - 1].end]
                if a
                else before[old[a].start : old[b].start if b < len(old) else old[b - 1].end]
            )
            at = base + (new[c - 1].end if c else new[c].start if c < len(new) else 0)
            yield Candidate("restored", cost, ((at, at, put),), 0.0)
        elif tag == "insert":
            start = base + (new[c - 1].end if c else new[c].start)
            stop = base + (new[d - 1].end if c else new[d].start if d < len(new) else new[d - 1].end)
            yield Candidate("restored", cost, ((start, stop, ""),), 0.0)
        else:
            put = before[old[a].start : old[b - 1].end]
            yield Candidate("restored", cost + 1.0, ((base + new[c].start, base + new[d - 1].end, put),), 0.0)


def _code(text: str) -> list[Token]:
    return [token for token in tokens_of(text) if token.kind not in (COMMENT, NEWLINE)]
