"""A YAML value that knows where it stands in its file.

Scalars keep their text as written, and what that text means is asked for only where the table says so:
so a mapping key `on` is a word, `1.10` in a command stays `1.10`, and nothing is ever a date or a base-60 number.
"""

import re
from typing import Any, Final, Literal

from msgspec import Struct

from graced.yaml_source.problem import clip

Kind = Literal["scalar", "mapping", "sequence"]

_WORDS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    **{w: True for word in ("true", "yes", "on") for w in (word, word.title(), word.upper())},
    **{w: False for word in ("false", "no", "off") for w in (word, word.title(), word.upper())},
}  # fmt: skip
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z", re.ASCII)
_BASED = re.compile(r"0(x[0-9a-fA-F]+|o[0-7]+|b[01]+)\Z", re.ASCII)
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z", re.ASCII)

DIGITS_LIMIT = 400
"""Longer texts are never numbers: int() refuses past 4300 digits, and float() would say infinity."""


class Node(Struct, eq=False):
    """`text` and `plain` (not quoted) of a scalar, `pairs` of a mapping, `items` of a sequence. Counts from 1.

    `env`: a value of the environment was put in; `told`: what is wrong with the value is among the problems already.
    `size`: this and all below, aliases counted each time they are used; `depth`: 1 for a scalar.
    """

    kind: Kind
    file: str
    line: int
    column: int
    text: str = ""
    plain: bool = True
    pairs: list[tuple["Node", "Node"]] = []
    items: list["Node"] = []
    env: bool = False
    told: bool = False
    size: int = 1
    depth: int = 1

    @property
    def blank(self) -> bool:
        """Nothing is written where the value would be."""
        return self.kind == "scalar" and self.plain and not self.text and not self.env

    def value(self) -> Any:
        """None, a bool, int, float or str, by the numbers of YAML 1.2 and words of 1.1; or a list or dict of those."""
        if self.kind == "mapping":
            return {key.text: child.value() for key, child in self.pairs}
        if self.kind == "sequence":
            return [item.value() for item in self.items]
        return _scalar(self.text) if self.plain else self.text

    def pair(self, key: str) -> tuple["Node", "Node"] | None:
        """The key and value nodes of `key` in a mapping, None if it has none (or is no mapping)."""
        return next((pair for pair in self.pairs if pair[0].text == key), None)

    def get(self, key: str) -> "Node | None":
        found = self.pair(key)
        return found[1] if found else None

    def describe(self) -> str:
        """For messages: what is here instead of what was wanted."""
        if self.kind != "scalar":
            return "a mapping" if self.kind == "mapping" else "a list"
        value = self.value()
        if value is None:
            return "nothing" if self.blank else "null"
        if isinstance(value, bool):
            return self.text
        if isinstance(value, str):
            return clip(value)
        return f"the number {self.text}"


def is_utf8(text: str) -> bool:
    """No lone surrogates: those stand for bytes that are no text, and cannot be stored."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > DIGITS_LIMIT or text[0] not in "+-.0123456789":
        return text
    if _WHOLE.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    if _REAL.match(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text
