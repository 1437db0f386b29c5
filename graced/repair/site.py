"""Where a fault is, in tokens and lines: what every rule starts from."""

from graced.repair.check import Fault
from graced.repair.lex import COMMENT, NEWLINE, Source, Token
from graced.repair.score import Scorer

NEAR_LINES, FAR_LINES = 60, 400
"""How far down the end of the statement is looked for; an open bracket may be missed far below."""


class Site:
    """`at` is the index of the fault's line; `low`..`high` the lines of the statement it is in.

    `tokens` are that statement's, without comments and newlines; `here` is the index among them of the one at the
    fault (the last, if the fault is behind them), `there` of the one at the fault's end.
    """

    __slots__ = ("at", "fault", "here", "high", "low", "message", "scorer", "src", "text", "there", "tokens")

    def __init__(self, src: Source, fault: Fault, scorer: Scorer) -> None:
        self.src, self.fault, self.scorer = src, fault, scorer
        self.text = src.text
        self.message = fault.message
        self.at = min(fault.line - 1, len(src.lines) - 1)
        self.low = src.logical_start(self.at)
        self.high = src.logical_end(self.at, FAR_LINES if "never closed" in fault.message else NEAR_LINES)
        lines = src.lines
        self.tokens: list[Token] = [
            token
            for token in src.tokens[lines[self.low].first : lines[self.high].stop]
            if token.kind not in (COMMENT, NEWLINE)
        ]
        self.here = self._index(lines[self.at].start + fault.column)
        end_line = min(fault.end_line - 1, len(lines) - 1)
        self.there = max(self.here, self._index(lines[end_line].start + fault.end_column))

    def _index(self, offset: int) -> int:
        for index, token in enumerate(self.tokens):
            if token.end > offset:
                return index
        return max(len(self.tokens) - 1, 0)

    def line_text(self, index: int) -> str:
        line = self.src.lines[index]
        return self.text[line.start : line.end]

    def said(self, *parts: str) -> bool:
        """Does the interpreter's message hold one of `parts`?"""
        return any(part in self.message for part in parts)
