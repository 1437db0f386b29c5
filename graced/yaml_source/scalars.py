"""Shapes of single values: text, numbers, durations, sizes, words of a set, paths, commands."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from graced.yaml_source import units
from graced.yaml_source.node import Node
from graced.yaml_source.problem import clip, nearest
from graced.yaml_source.shape import INVALID, Reading, Shape, Spot, is_null

TEXT_LIMIT_CHARS = 64 * 1024
ARGUMENTS_LIMIT = 4096

Parse = Callable[[str], Any]


class Text(Shape):
    """A text that is not empty. `parse` makes something of it, and raises ValueError with what is wrong with it."""

    def __init__(self, wants: str = "a text", parse: Parse | None = None, numbers: bool = False) -> None:
        self.wants, self.parse, self.numbers = wants, parse, numbers

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.kind != "scalar" or is_null(node):
            return self.refuse(spot, reading)
        value = node.value()
        if not isinstance(value, str) and not node.env and not (self.numbers and not isinstance(value, bool)):
            return self.refuse(spot, reading, f'quote it: "{node.text}"')
        if not node.text:
            return reading.fault(spot, f"needs {self.wants}, not an empty one")
        return text_of(spot, reading, self.parse)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"] if self.numbers else "string", "minLength": 1}

    def surface(self, node: Node) -> Any:
        return node.text


def text_of(spot: Spot, reading: Reading, parse: Parse | None = None) -> Any:
    """The text as written, checked for what no file name, argument or variable may hold."""
    text = spot.node.text
    if "\0" in text:
        return reading.fault(spot, "holds a NUL character")
    if len(text) > TEXT_LIMIT_CHARS:
        return reading.fault(spot, f"is longer than {TEXT_LIMIT_CHARS} characters")
    if parse is None:
        return text
    try:
        return parse(text)
    except ValueError as wrong:
        message, hint = (*wrong.args, "")[:2]
        return reading.fault(spot, f"{message}, not {clip(text)}" if message.startswith("needs ") else message, hint)


class Written(Shape):
    """A text, number or boolean, taken as it is written: `1.10` and `yes` are those characters. Blank is empty."""

    wants = "a text"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind != "scalar" or (is_null(spot.node) and not spot.node.blank):
            hint = 'write "" for an empty text, or "null" for the word' if spot.node.kind == "scalar" else ""
            return self.refuse(spot, reading, hint)
        return text_of(spot, reading)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}

    def surface(self, node: Node) -> Any:
        return node.text


class Flag(Shape):
    wants = "true or false"

    def read(self, spot: Spot, reading: Reading) -> Any:
        value = spot.node.value() if spot.node.kind == "scalar" else None
        if isinstance(value, bool):
            return value
        quoted = spot.node.kind == "scalar" and spot.node.text.lower() in ("true", "false")
        return self.refuse(spot, reading, "remove the quotes" if quoted else "")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Number(Shape):
    """A number from `low` to `high`, both included; `whole`: no fractions."""

    def __init__(self, low: float | None = None, high: float | None = None, whole: bool = False) -> None:
        self.low, self.high, self.whole = low, high, whole
        kind = "a whole number" if whole else "a number"
        if low is not None and high is not None:
            self.wants = f"{kind} from {low} to {high}"
        else:
            self.wants = f"{kind} of at least {low}" if low is not None else kind

    def read(self, spot: Spot, reading: Reading) -> Any:
        value = spot.node.value() if spot.node.kind == "scalar" else None
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            quoted = isinstance(value, str) and value.isascii() and value.isdigit() and not spot.node.plain
            return self.refuse(spot, reading, "remove the quotes" if quoted else "")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return self.refuse(spot, reading)
        return value if self.whole else float(value)

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        if self.low is not None:
            schema["minimum"] = self.low
        if self.high is not None:
            schema["maximum"] = self.high
        return schema


WHOLE_LIMIT = 1 << 53
"""Largest whole number that a JSON reader takes without loss."""


def whole(low: int = 0, high: int = WHOLE_LIMIT) -> Number:
    shape = Number(low, high, whole=True)
    if high == WHOLE_LIMIT:
        shape.wants = f"a whole number of at least {low}"
    return shape


class Quantity(Shape):
    """A duration or size: a number with a unit, or a plain number in seconds or bytes."""

    def __init__(
        self, parse: Parse, form: str, pattern: str, unit: str, low: float, show: Callable[[Any], str]
    ) -> None:
        self.parse, self.wants, self.pattern, self.unit = parse, form, pattern, unit
        self.low, self.show = low, show

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.kind != "scalar" or is_null(node) or isinstance(node.value(), bool):
            return self.refuse(spot, reading)
        try:
            value = self.parse(node.text)
        except ValueError as wrong:
            message = str(wrong)
            return reading.fault(spot, f"{message}, not {clip(node.text)}" if message.startswith("needs ") else message)
        if value < self.low:
            return reading.fault(spot, f"must be at least {self.show(self.low)}")
        return value

    def schema(self) -> dict[str, Any]:
        low = {"minimum": self.low} if self.low else {"minimum": 0}
        return {"anyOf": [{"type": "string", "pattern": self.pattern}, {"type": "number", **low}]}

    def surface(self, node: Node) -> Any:
        value = node.value()
        return value if isinstance(value, int | float) else node.text


def duration(low: float = 0.0) -> Quantity:
    """Seconds, at least `low`."""
    return Quantity(units.parse_duration, units.DURATION_FORM, units.DURATION_PATTERN, "_s", low, units.format_duration)


def size(low: int = 0) -> Quantity:
    """Bytes, at least `low`."""
    return Quantity(units.parse_size, units.SIZE_FORM, units.SIZE_PATTERN, "_bytes", low, units.format_size)


class Choice(Shape):
    """One word of a set, whatever YAML would make of it (`off` is a word here). `values`: what a word stands for."""

    def __init__(self, *words: str, values: Mapping[str, Any] | None = None) -> None:
        self.words = words
        self.values = values
        self.wants = ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.kind == "scalar" and node.text in self.words:
            return self.values[node.text] if self.values is not None else node.text
        shown = clip(node.text) if node.kind == "scalar" and not is_null(node) else node.describe()
        hint = nearest(node.text, self.words) if node.kind == "scalar" and node.text else ""
        return reading.fault(
            spot, f"must be one of {', '.join(self.words)}; not {shown}" if len(self.words) > 1
            else f"must be {self.words[0]}, not {shown}", hint if hint.startswith("did") else "",
        )  # fmt: skip

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def surface(self, node: Node) -> Any:
        return node.text


def absolute(file: str, path: str) -> str:
    """`path` as written in `file`, relative to the folder of that file; `~/` is the user's own folder."""
    folder = os.path.dirname(os.path.abspath(file)) if file else os.getcwd()
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path) if path.startswith("~/") else path))


class PathTo(Shape):
    """A path, made absolute. `exists` asks for a file or folder that is there."""

    relative = True

    def __init__(self, exists: Callable[[str], bool] | None = None, wants: str = "a path") -> None:
        self.exists, self.wants = exists, wants

    def read(self, spot: Spot, reading: Reading) -> Any:
        text = Text(self.wants).read(spot, reading)
        if text is INVALID:
            return INVALID
        path = absolute(spot.node.file, text)
        if self.exists is not None and not self.exists(path):
            return reading.fault(spot, f"there is no such {self.wants.split()[-1]}: {path}")
        return path

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def surface(self, node: Node) -> Any:
        return absolute(node.file, node.text)


class Command(Shape):
    """A list of arguments, or a string that is split as a shell splits words. Numbers and booleans as written."""

    wants = "a list of arguments, or a string that is split into them"

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.kind == "scalar" and not is_null(node):
            words = text_of(spot, reading, _split)
            return words if words is INVALID else self._checked(words, spot, reading)
        if node.kind != "sequence":
            return self.refuse(spot, reading)
        written = Written()
        values = [written.read(spot.item(index), reading) for index in range(len(node.items))]
        if any(value is INVALID for value in values):
            return INVALID
        return self._checked(tuple(values), spot, reading)

    def _checked(self, words: tuple[str, ...], spot: Spot, reading: Reading) -> Any:
        if not words or not words[0]:
            return reading.fault(spot, "names no program")
        if len(words) > ARGUMENTS_LIMIT:
            return reading.fault(spot, f"has more than {ARGUMENTS_LIMIT} arguments")
        return words

    def schema(self) -> dict[str, Any]:
        item = {"type": ["string", "number", "boolean"]}
        return {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": item, "minItems": 1}]}

    def surface(self, node: Node) -> Any:
        return node.text if node.kind == "scalar" else [item.text for item in node.items]


def _split(text: str) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError as wrong:
        message = f"cannot be split into words: {str(wrong).lower()}"
        raise ValueError(message, "close the quote, or give a list") from None
