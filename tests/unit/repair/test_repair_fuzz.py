"""Whatever is done to a file, a repair tells the truth about it, and does not lose what it had no reason to touch."""

import ast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graced.repair import compiles, repair, simple_repairs
from graced.repair.lex import NEWLINE, Source, scan, tokens_of

PROGRAM = '''"""A small module."""
import os
from collections import deque


class Queue:
    """Holds things."""

    def __init__(self, items=(), *, limit=10):
        self.items = deque(items)
        self.limit = limit

    def push(self, item):
        if len(self.items) >= self.limit:
            raise ValueError(f"full: {self.limit}")
        try:
            self.items.append({"item": item, "at": os.getpid()})
        except MemoryError as error:
            print("no memory", error)
        else:
            return [x for x in self.items if x["item"] != 'gone']


for number in range(3):
    Queue([1, 2], limit=number).push("it's")
'''
BITS = [
    "(", ")", "[", "]", "{", "}", ":", ",", ".", "'", '"', '"""', "\n", " ", "    ", "\t", "=", "==", "#", "\\",
    "\0", "\ufeff", "“", "，", "if", "def ", "return", "x", "0", "1L", "print ", "else", "@", "`", "<<<<<<< a\n", "é",
]  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, len(PROGRAM)), st.integers(0, 3), st.sampled_from(["", *BITS])), min_size=1, max_size=3
)
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _edited(changes: list[tuple[int, int, str]]) -> str:
    text = PROGRAM
    for at, removed, added in changes:
        text = text[:at] + added + text[at + removed :]
    return text


@given(edits)
@quick
def test_an_edited_program_is_told_the_truth_about(changes: list[tuple[int, int, str]]) -> None:
    source = _edited(changes).encode()
    found = repair(source, budget_s=3.0)
    if compiles(source) is None:
        assert found.state == "intact"
    elif found.state == "not_fixed":
        assert found.fixed is None
        assert found.errors
    else:
        assert found.fixed is not None
        assert found.fixed != source
        ast.parse(found.fixed)
        assert compiles(found.fixed) is None
        assert found.errors
        assert 0.0 <= found.confidence <= 1.0
        assert found.state == "suggested" or found.confidence >= 0.9
        assert bool(found.why) == (found.state == "suggested")
        assert repair(found.fixed).state == "intact"


@given(st.binary(max_size=400))
@quick
def test_random_bytes_never_raise(source: bytes) -> None:
    found = repair(source, budget_s=2.0)
    assert found.state in ("intact", "fixed", "suggested", "not_fixed")
    simple_repairs(source)


@given(st.text(max_size=300))
@quick
def test_tokens_and_blanks_make_up_the_text(text: str) -> None:
    at = 0
    for token in tokens_of(text):
        assert text[at : token.start].strip(" \t\f\\\r\n") == ""
        assert text[token.start : token.end] == token.text
        at = token.end
    assert text[at:].strip(" \t\f\\\r\n") == ""
    assert list(scan(text)) == tokens_of(text)


@given(
    st.lists(
        st.sampled_from(["if x:", "    y = (1,", ")", "\t", "'''", "# c", "z \\", "\n", "\r\n", "\r", "def f(", "'"])
    )
)
@quick
def test_lines_cover_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    source = Source(text)
    assert "".join(text[line.start : line.next] for line in source.lines) == text
    assert sum(line.stop - line.first for line in source.lines) == len(source.tokens)
    for index, line in enumerate(source.lines):
        assert source.line_at(line.start) == index or line.start == len(text)
        assert all(
            token.kind == NEWLINE or token.start >= line.start for token in source.tokens[line.first : line.stop]
        )
