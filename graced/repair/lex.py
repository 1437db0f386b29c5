"""A tokenizer that never gives up: broken source in, tokens with offsets out, and the lines they make up.

CPython's own tokenizer stops at the first error; a repair needs to see what is around it. Offsets are in characters.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

NAME, NUMBER, STRING, OP, COMMENT, NEWLINE, BADSTR, BAD = range(8)
"""Kinds. BADSTR is a string whose end is missing (to the end of the line; a triple-quoted one to the end of the file),
BAD one character that no token begins with. A NEWLINE is a physical one."""

KEYWORDS = frozenset(
    [
        "False",
        "None",
        "True",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "elif",
        "else",
        "except",
        "finally",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "is",
        "lambda",
        "nonlocal",
        "not",
        "or",
        "pass",
        "raise",
        "return",
        "try",
        "while",
        "with",
        "yield",
    ]
)
HEADERS = frozenset(
    ["class", "def", "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "async", "match", "case"]
)
"""Words that a line with a block below it begins with."""
STATEMENTS = frozenset(
    [
        "class",
        "def",
        "return",
        "import",
        "try",
        "while",
        "with",
        "raise",
        "except",
        "finally",
        "elif",
        "pass",
        "break",
        "continue",
        "del",
        "global",
        "nonlocal",
        "assert",
    ]
)
"""Words that begin a statement and cannot begin a line inside brackets: there a forgotten bracket ends."""
JUMPS = frozenset(("return", "raise", "break", "continue"))

_PREFIX = r"(?:[rRuUfFbB]{1,2})?"
_TOKEN = re.compile(
    r"(?P<ws>(?:[ \t\f]|\\(?:\r\n|[\r\n]))+)"
    r"|(?P<nl>\r\n|[\r\n])"
    r"|(?P<comment>\#[^\r\n]*)"
    rf"|(?P<triple>{_PREFIX}(?:\"\"\"[^\"\\]*(?:(?:\\[\s\S]|\"(?!\"\"))[^\"\\]*)*\"\"\""
    r"|'''[^'\\]*(?:(?:\\[\s\S]|'(?!''))[^'\\]*)*'''))"
    rf"|(?P<badtriple>{_PREFIX}(?:\"\"\"|''')[\s\S]*)"
    rf"|(?P<string>{_PREFIX}(?:\"[^\"\\\r\n]*(?:\\(?:\r\n|[\s\S])[^\"\\\r\n]*)*\""
    r"|'[^'\\\r\n]*(?:\\(?:\r\n|[\s\S])[^'\\\r\n]*)*'))"
    rf"|(?P<badstr>{_PREFIX}[\"'][^\r\n]*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?[jJ]?)"
    r"|(?P<op>\*\*=|//=|>>=|<<=|\.\.\.|!=|->|:=|==|<=|>=|\+=|-=|\*=|/=|%=|&=|\|=|\^=|@=|\*\*|//|<<|>>"
    r"|[-+*/%&|^~<>()\[\]{},:.;@=])"
    r"|(?P<bad>[\s\S])"
)
_KIND = {
    "nl": NEWLINE, "comment": COMMENT, "triple": STRING, "badtriple": BADSTR, "string": STRING, "badstr": BADSTR,
    "name": NAME, "number": NUMBER, "op": OP, "bad": BAD,
}  # fmt: skip
_KIND_OF_GROUP = {index: _KIND[name] for name, index in _TOKEN.groupindex.items() if name != "ws"}
_WS = _TOKEN.groupindex["ws"]
_NAME = re.compile(r"[^\W\d]\w*\Z")

OPENS = {"(": ")", "[": "]", "{": "}"}
CLOSES = {")": "(", "]": "[", "}": "{"}


class Token(NamedTuple):
    kind: int
    text: str
    start: int
    end: int


class Line(NamedTuple):
    """A physical line: `start` to `end` without its newline, `next` is where the next begins.

    `first` and `stop` are the range of its tokens (those that begin on it). `logical`: a statement begins here.
    `depth` is the number of open brackets at its start; `inside` a string or a backslash continuation.
    """

    start: int
    end: int
    next: int
    indent: str
    width: int
    first: int
    stop: int
    logical: bool
    depth: int
    inside: bool


def tokens_of(text: str) -> list[Token]:
    """All tokens of `text` but blanks, in order."""
    kinds = _KIND_OF_GROUP
    return [
        Token(kinds[group], match.group(), *match.span())
        for match in _TOKEN.finditer(text)
        if (group := match.lastindex) is not None and group != _WS
    ]


@lru_cache(maxsize=4)
def all_tokens(text: str) -> list[Token]:
    """`tokens_of` a whole text, which is asked for again and again. Not to be changed."""
    return tokens_of(text)


def scan(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens of `text` from offset `start` on, lexed as they are asked for."""
    kinds = _KIND_OF_GROUP
    for match in _TOKEN.finditer(text, start):
        group = match.lastindex
        if group != _WS and group is not None:
            yield Token(kinds[group], match.group(), match.start(), match.end())


def width_of(indent: str) -> int:
    """Columns of leading blanks as CPython counts them: a tab goes to the next multiple of eight."""
    if "\t" not in indent and "\f" not in indent:
        return len(indent)
    width = 0
    for char in indent:
        if char == "\t":
            width = (width // 8 + 1) * 8
        elif char == "\f":
            width = 0
        else:
            width += 1
    return width


_INDENT = re.compile(r"[ \t\f]*")
_EOL = re.compile(r"\r\n|[\r\n]|\Z")


def is_name(text: str) -> bool:
    return _NAME.match(text) is not None


class Source:
    """Text with its tokens and lines, made once for each candidate that is looked into further."""

    __slots__ = ("_line_of", "lines", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = all_tokens(text)
        self.lines: list[Line] = []
        self._split()

    def _split(self) -> None:
        text, tokens = self.text, self.tokens
        at = index = depth = 0
        carried_to = -1  # the offset up to which the last string token reaches
        continued = False
        size = len(text)
        while True:
            match = _EOL.search(text, at)
            assert match is not None
            end, after = match.span()
            blank = _INDENT.match(text, at, end)
            assert blank is not None
            indent = blank.group()
            inside = carried_to > at or continued
            first = index
            word = ""
            depth_here = depth
            while index < len(tokens) and tokens[index].start < after:
                kind, string, _, stop = tokens[index]
                if not word:
                    word = string
                    if depth and not inside and kind == NAME and word in STATEMENTS:
                        depth = depth_here = 0
                if kind == OP:
                    if string in OPENS:
                        depth += 1
                    elif string in CLOSES and depth:
                        depth -= 1
                elif kind in (STRING, BADSTR):
                    carried_to = stop
                index += 1
            code = first < index and tokens[first].kind not in (COMMENT, NEWLINE)
            self.lines.append(
                Line(at, end, after, indent, width_of(indent), first, index, code and not depth_here and not inside,
                     depth_here, inside)
            )  # fmt: skip
            continued = text.endswith("\\", at, end) and (not index or tokens[index - 1].end < end)
            if match.end() == match.start() or after >= size:
                if after > end:  # a newline at the very end: one more, empty line
                    self.lines.append(Line(after, after, after, "", 0, index, index, False, depth, False))
                return
            at = after

    def line_at(self, offset: int) -> int:
        """The index of the line that holds `offset`."""
        low, high = 0, len(self.lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.lines[middle].start <= offset:
                low = middle
            else:
                high = middle - 1
        return low

    def code(self, index: int) -> list[Token]:
        """The tokens of line `index` without comment and newline."""
        line = self.lines[index]
        return [token for token in self.tokens[line.first : line.stop] if token.kind not in (COMMENT, NEWLINE)]

    def first_word(self, index: int) -> str:
        line = self.lines[index]
        return self.tokens[line.first].text if line.first < line.stop else ""

    def has_code(self, index: int) -> bool:
        line = self.lines[index]
        return line.first < line.stop and self.tokens[line.first].kind not in (COMMENT, NEWLINE)

    def logical_start(self, index: int, bound: int = 60) -> int:
        """The line on which the statement that holds line `index` begins, `bound` lines up at most."""
        low = max(0, index - bound)
        while index > low and not self.lines[index].logical:
            index -= 1
        return index

    def logical_end(self, index: int, bound: int = 60) -> int:
        """The last line of the statement that holds line `index` (inclusive)."""
        high = min(len(self.lines) - 1, index + bound)
        while index < high:
            following = self.lines[index + 1]
            if not (following.depth or following.inside):
                break
            index += 1
        return index

    def previous_logical(self, index: int) -> int | None:
        """The line on which the statement before line `index` begins."""
        index -= 1
        while index >= 0 and not self.lines[index].logical:
            index -= 1
        return index if index >= 0 else None

    def next_logical(self, index: int) -> int | None:
        index += 1
        while index < len(self.lines) and not self.lines[index].logical:
            index += 1
        return index if index < len(self.lines) else None

    def levels(self, index: int) -> list[int]:
        """Widths of the blocks open at line `index`, outermost first, as far as the lines above tell."""
        found: list[int] = []
        lowest = 1 << 30
        for at in range(index - 1, max(-1, index - 600), -1):
            line = self.lines[at]
            if line.logical and line.width < lowest:
                found.append(line.width)
                lowest = line.width
                if not lowest:
                    break
        if lowest:
            found.append(0)
        return found[::-1]
