"""Two texts compared token by token: what went, what came, and whether the letters stayed the same."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from graced.repair.lex import COMMENT, NEWLINE, Token, all_tokens

MIDDLE_MAX: Final = 4000
"""Tokens that differ between two texts and are compared one by one."""


def gone(old: list[Token], new: list[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens of `old` that `new` has not, in order."""
    matcher = difflib.SequenceMatcher(None, [t.text for t in old], [t.text for t in new], autojunk=False)
    for tag, low, high, _, _ in matcher.get_opcodes():
        if tag in ("replace", "delete"):
            yield from ((index, old[index]) for index in range(low, high))


def content(tokens: list[Token]) -> str:
    """The letters and signs of tokens that are neither quotes nor brackets nor blanks."""
    return "".join(
        re.sub(r"[\s\"'\\(){}\[\],:;#]|(?<![\w])[rRbBuUfF]{1,2}(?=[\"'])", "", token.text) for token in tokens
    )


def raw(tokens: list[Token]) -> str:
    return "".join(re.sub(r"[\s\"'\\]", "", token.text) for token in tokens)


def changes(before: str, after: str) -> Iterator[tuple[list[Token], list[Token], str, str]]:
    """(old tokens, new tokens, the token's text left of them, the one right of them) where two texts differ."""
    old = [t for t in all_tokens(before) if t.kind not in (COMMENT, NEWLINE)]
    new = [t for t in all_tokens(after) if t.kind not in (COMMENT, NEWLINE)]
    low = 0
    while low < min(len(old), len(new)) and old[low].text == new[low].text:
        low += 1
    high = 0
    while high < min(len(old), len(new)) - low and old[-1 - high].text == new[-1 - high].text:
        high += 1
    first, second = old[low : len(old) - high], new[low : len(new) - high]
    if not first and not second:
        return
    lead = old[low - 1].text if low else ""
    trail = old[len(old) - high].text if high else ""
    if len(first) + len(second) > MIDDLE_MAX:
        yield first[:MIDDLE_MAX], second[:MIDDLE_MAX], lead, trail
        return
    matcher = difflib.SequenceMatcher(None, [t.text for t in first], [t.text for t in second], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield (
                first[a:b],
                second[c:d],
                first[a - 1].text if a else lead,
                first[b].text if b < len(first) else trail,
            )
