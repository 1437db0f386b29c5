"""How usual a run of Python tokens is: a trigram model over token classes, built from the standard library.

A class is a keyword, an operator, a frequent name, or the shape of a name, number or string; line ends say what kind
of statement ended, and blank lines and changes of indentation are tokens too. So the model knows that a dedent
follows `return`, that a `def` follows a blank line, that `=` stands between a name and a call. Costs are in nats
(-ln p). `scripts/build_ngram` writes the file that `load` reads.
"""

import array
import itertools
import math
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from graced.repair.lex import (
    BADSTR,
    COMMENT,
    HEADERS,
    JUMPS,
    KEYWORDS,
    NAME,
    NEWLINE,
    NUMBER,
    OP,
    STATEMENTS,
    STRING,
    Token,
    is_name,
    width_of,
)

FILE = Path(__file__).with_name("ngram.bin")
MAGIC = b"graced-ngram 1\n"
SCALE = 16
"""Costs are stored as whole sixteenths of a nat in one byte."""
UNSEEN = 14 * SCALE
"""The cost of a class that the training text did not hold."""
DISCOUNT = 0.75

BEGIN, INDENT, DEDENT, BLANK, BLANKS, BADDENT = "<begin>", "<indent>", "<dedent>", "<blank>", "<blanks>", "<baddent>"
END_PLAIN, END_JUMP, END_HEADER = "<end>", "<end-jump>", "<end-header>"
_FIXED = (
    BEGIN, INDENT, DEDENT, BLANK, BLANKS, BADDENT, END_PLAIN, END_JUMP, END_HEADER,
    "<number>", "<string>", "<doc>", "<fstring>", "<badstr>", "<bad>", "<lower>", "<Camel>", "<CONST>", "<_private>",
    "<__dunder__>",
)  # fmt: skip


def key_of(token: Token) -> str:
    """What a token is called in a sequence: its text if it is a name or an operator, else its class."""
    kind, text = token.kind, token.text
    if kind in (NAME, OP):
        return text
    if kind == NUMBER:
        return "<number>"
    if kind == STRING:
        if text.endswith(('"""', "'''")):
            return "<doc>"
        return "<fstring>" if text[0] in "fF" or text[1:2] in ("f", "F") else "<string>"
    return "<badstr>" if kind == BADSTR else "<bad>"


def shape_of(name: str) -> str:
    """The class of a name that is neither a keyword nor frequent."""
    if name.startswith("__") and name.endswith("__"):
        return "<__dunder__>"
    if name[0] == "_":
        return "<_private>"
    if name.isupper() and len(name) > 1:
        return "<CONST>"
    return "<Camel>" if name[0].isupper() else "<lower>"


def sequence(tokens: Sequence[Token], levels: Sequence[int], text: str, depth: int = 0) -> list[str]:
    """The keys of the tokens of whole statements, with line ends, blank lines and indentation put in.

    `levels` are the widths of the blocks open before the first; `text` is what the tokens are offsets into; `depth` the
    number of brackets open before the first.
    """
    out: list[str] = []
    stack = list(levels) or [0]
    blank_run = 0
    at_start, commented = not depth, False
    end = END_PLAIN
    for token in tokens:
        kind = token.kind
        if kind == COMMENT:
            commented = at_start
            continue
        if kind == NEWLINE:
            if at_start:
                blank_run += not commented
                commented = False
            elif not depth:
                out.append(end)
                at_start, blank_run = True, 0
            continue
        string = token.text
        if depth and kind == NAME and string in STATEMENTS and _begins_line(text, token.start):
            out.append(end)
            depth, at_start, blank_run = 0, True, 0
        if at_start:
            if blank_run:
                out.append(BLANK if blank_run == 1 else BLANKS)
            line_start = max(text.rfind("\n", 0, token.start), text.rfind("\r", 0, token.start)) + 1
            _dent(out, stack, width_of(text[line_start : token.start]))
            at_start = False
            end = END_JUMP if string in JUMPS else END_HEADER if string in HEADERS else END_PLAIN
        elif end == END_HEADER and not depth and string != ":" and out[-1] == ":":
            end = END_PLAIN  # a body on the header's line
        out.append(key_of(token))
        if kind == OP:
            if string in "([{":
                depth += 1
            elif string in ")]}" and depth:
                depth -= 1
    if not at_start:
        out.append(end)
    return out


def _begins_line(text: str, at: int) -> bool:
    while at and text[at - 1] in " \t\f":
        at -= 1
    return not at or text[at - 1] in "\r\n"


def _dent(out: list[str], stack: list[int], width: int) -> None:
    if width > stack[-1]:
        stack.append(width)
        out.append(INDENT)
    while width < stack[-1] and len(stack) > 1:
        stack.pop()
        out.append(DEDENT)
    if width != stack[-1]:
        stack.append(width)
        out.append(BADDENT)


class Model:
    """Costs of trigrams, with interpolated absolute discounting already folded in; see `train`."""

    def __init__(
        self, words: Sequence[str], one: dict[int, int], two: dict[int, int], three: dict[int, int],
        back: dict[int, int], back_two: dict[int, int],
    ) -> None:  # fmt: skip
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(words)}
        self._one, self._two, self._three = one, two, three
        self._back, self._back_two = back, back_two
        self._size = len(self.words)

    def id_of(self, key: str) -> int:
        """The id of a key: its own if it is a class, an operator, a keyword or a frequent name, else its shape's."""
        found = self.ids.get(key)
        return found if found is not None else self.ids[shape_of(key)]

    def cost(self, a: int, b: int, c: int) -> int:
        """-ln p(c | a, b) in sixteenths of a nat."""
        size = self._size
        ab = a * size + b
        cost = self._three.get(ab * size + c)
        if cost is not None:
            return cost
        base = self._back_two.get(ab, 0)
        cost = self._two.get(b * size + c)
        if cost is not None:
            return base + cost
        return base + self._back.get(b, 0) + self._one.get(c, UNSEEN)


def train(texts: Iterable[str], frequent: int = 250, least: int = 2) -> Model:
    """Counts `texts`; trigrams seen fewer than `least` times are left to the bigrams."""
    from graced.repair.lex import tokens_of

    names: Counter[str] = Counter()
    runs = []
    for text in texts:
        run = sequence(tokens_of(text), [0], text)
        runs.append(run)
        names.update(key for key in run if is_name(key))
    words = [*_FIXED, *sorted(KEYWORDS), *_operators()]
    words += [name for name, _ in names.most_common(frequent + len(KEYWORDS)) if name not in KEYWORDS][:frequent]
    model = Model(words, {}, {}, {}, {}, {})
    begin = model.ids[BEGIN]
    one: Counter[int] = Counter()
    two: Counter[tuple[int, int]] = Counter()
    three: Counter[tuple[int, int, int]] = Counter()
    for run in runs:
        ids = [begin, begin, *map(model.id_of, run)]
        one.update(ids[2:])
        two.update(itertools.pairwise(ids))
        three.update(zip(ids, ids[1:], ids[2:], strict=False))
    return _smoothed(model, one, two, three, least)


def _smoothed(
    model: Model, one: Counter[int], two: Counter[tuple[int, int]], three: Counter[tuple[int, int, int]], least: int
) -> Model:
    size = len(model.words)
    total = one.total() + size
    p_one = {index: (one[index] + 1) / total for index in range(size)}
    after_b: Counter[int] = Counter()
    kinds_b: Counter[int] = Counter()
    for (b, _), count in two.items():
        after_b[b] += count
        kinds_b[b] += 1
    bow = {b: DISCOUNT * kinds_b[b] / after_b[b] for b in after_b}
    p_two = {(b, c): (n - DISCOUNT) / after_b[b] + bow[b] * p_one[c] for (b, c), n in two.items()}
    after_ab: Counter[tuple[int, int]] = Counter()
    kept_ab: Counter[tuple[int, int]] = Counter()
    for (a, b, _), count in three.items():
        after_ab[a, b] += count
    kept = {key: n for key, n in three.items() if n >= least}
    mass: Counter[tuple[int, int]] = Counter()
    for (a, b, _), n in kept.items():
        kept_ab[a, b] += 1
        mass[a, b] += n
    bow_two = {ab: (after_ab[ab] - mass[ab] + DISCOUNT * kept_ab[ab]) / after_ab[ab] for ab in after_ab if kept_ab[ab]}
    p_three = {
        (a, b, c): (n - DISCOUNT) / after_ab[a, b] + bow_two[a, b] * p_two[b, c] for (a, b, c), n in kept.items()
    }

    def byte(p: float) -> int:
        return min(255, max(0, round(-math.log(p) * SCALE)))

    return Model(
        model.words,
        {c: byte(p) for c, p in p_one.items()},
        {b * size + c: byte(p) for (b, c), p in p_two.items()},
        {(a * size + b) * size + c: byte(p) for (a, b, c), p in p_three.items()},
        {b: byte(p) for b, p in bow.items()},
        {a * size + b: byte(p) for (a, b), p in bow_two.items() if p > 0},
    )


def _operators() -> list[str]:
    return [
        "**=",
        "//=",
        ">>=",
        "<<=",
        "...",
        "!=",
        "->",
        ":=",
        "==",
        "<=",
        ">=",
        "+=",
        "-=",
        "*=",
        "/=",
        "%=",
        "&=",
        "|=",
        "^=",
        "@=",
        "**",
        "//",
        "<<",
        ">>",
        "-",
        "+",
        "*",
        "/",
        "%",
        "&",
        "|",
        "^",
        "~",
        "<",
        ">",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        ".",
        ";",
        "@",
        "=",
    ]


def dump(model: Model) -> bytes:
    """The file: a magic line, then zlib of the words and five tables of delta-coded keys and one-byte costs."""
    parts = ["\n".join(model.words).encode() + b"\0"]
    for table in (model._one, model._two, model._three, model._back, model._back_two):
        keys = sorted(table)
        deltas = array.array("I", [key - before for key, before in zip(keys, [0, *keys], strict=False)])
        if sys.byteorder == "big":
            deltas.byteswap()
        parts += [len(keys).to_bytes(4, "little"), deltas.tobytes(), bytes(table[key] for key in keys)]
    return MAGIC + zlib.compress(b"".join(parts), 9)


def parse(data: bytes) -> Model:
    """The inverse of `dump`. ValueError for another file."""
    if not data.startswith(MAGIC):
        raise ValueError("not a graced n-gram file: run scripts/build_ngram")
    body = zlib.decompress(data[len(MAGIC) :])
    split = body.index(b"\0")
    tables = []
    at = split + 1
    for _ in range(5):
        count = int.from_bytes(body[at : at + 4], "little")
        at += 4
        deltas = array.array("I")
        deltas.frombytes(body[at : at + 4 * count])
        if sys.byteorder == "big":
            deltas.byteswap()
        at += 4 * count
        key = 0
        table: dict[int, int] = {}
        for delta, cost in zip(deltas, body[at : at + count], strict=True):
            key += delta
            table[key] = cost
        at += count
        tables.append(table)
    return Model(body[:split].decode().split("\n"), *tables)


@lru_cache(maxsize=1)
def load() -> Model:
    return parse(FILE.read_bytes())


__all__ = ["BEGIN", "Model", "dump", "key_of", "load", "parse", "sequence", "train"]
