"""What a YAML value must be. A shape reads a node into a typed value, or says what is wrong with it."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from graced.yaml_source.node import Node
from graced.yaml_source.problem import CLIP_CHARS, Problem, Problems, join


class Invalid:
    """What a reading gives instead of a value, after it has told the problem."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()


class Spot(Struct, eq=False):
    """A value and how one gets to it. `key`: where to point when the value itself is not written."""

    node: Node
    path: str
    key: Node

    def under(self, key: Node, node: Node) -> "Spot":
        return Spot(node, join(self.path, key.text), key)

    def item(self, index: int) -> "Spot":
        node = self.node.items[index]
        return Spot(node, f"{self.path}[{index}]", node)


class Reading:
    """One pass over a tree. `partial`: only mistakes count, and a required key that is missing is none (`defaults`)."""

    def __init__(self, problems: Problems, partial: bool = False) -> None:
        self.problems = problems
        self.partial = partial

    def fault(self, spot: Spot, message: str, hint: str = "") -> Invalid:
        """Tell a problem with the value of `spot`."""
        if spot.node.told:
            return INVALID
        at = spot.key if spot.node.blank else spot.node
        self.problems.add(Problem(at.file, at.line, at.column, spot.path, message, hint))
        return INVALID

    def fault_key(self, spot: Spot, message: str, hint: str = "") -> Invalid:
        """Tell a problem with the key of `spot`."""
        self.problems.add(Problem(spot.key.file, spot.key.line, spot.key.column, spot.path, message, hint))
        return INVALID


class Shape:
    """`wants`: for messages. `unit`: what the name of a field with this value ends in.

    `relative`: what it means depends on the file where it is written. `known_keys`: it is a mapping with a table.
    """

    wants = "a value"
    unit = ""
    relative = False
    known_keys = False

    def read(self, spot: Spot, reading: Reading) -> Any:
        """The value, or INVALID after telling why."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """JSON Schema of what may be written."""
        raise NotImplementedError

    def surface(self, node: Node) -> Any:
        """The value as plain data that means the same when written as YAML anywhere: paths absolute."""
        return node.value()

    def refuse(self, spot: Spot, reading: Reading, hint: str = "") -> Invalid:
        return reading.fault(spot, f"needs {self.wants}, not {spot.node.describe()}", hint)


class Nullable(Shape):
    """`null`, or what `inner` takes."""

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        self.wants = f"{inner.wants} or null"
        self.unit = inner.unit

    def read(self, spot: Spot, reading: Reading) -> Any:
        if is_null(spot.node):
            return None
        return self.inner.read(spot, reading)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.inner.schema(), {"type": "null"}]}

    def surface(self, node: Node) -> Any:
        return None if is_null(node) else self.inner.surface(node)


class Either(Shape):
    """One shape for each kind of node."""

    def __init__(
        self, *, scalar: Shape | None = None, sequence: Shape | None = None, mapping: Shape | None = None
    ) -> None:
        shapes = {"scalar": scalar, "sequence": sequence, "mapping": mapping}
        self.by_kind = {kind: shape for kind, shape in shapes.items() if shape is not None}
        self.wants = ", or ".join(shape.wants for shape in self.by_kind.values())

    def read(self, spot: Spot, reading: Reading) -> Any:
        shape = self.by_kind.get(spot.node.kind)
        if shape is None or spot.node.blank:
            return self.refuse(spot, reading)
        return shape.read(spot, reading)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [shape.schema() for shape in self.by_kind.values()]}

    def surface(self, node: Node) -> Any:
        shape = self.by_kind.get(node.kind)
        return shape.surface(node) if shape else node.value()


class ListOf(Shape):
    """A list, read into a tuple. `unique` names what may not be there twice."""

    def __init__(self, inner: Shape, limit: int = 10_000, unique: Callable[[Any], Any] | None = None) -> None:
        self.inner, self.limit, self.unique = inner, limit, unique
        self.wants = "a list"

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.blank:
            return ()
        if node.kind != "sequence":
            one = node.kind == "scalar" and len(node.text) < CLIP_CHARS and not is_null(node)
            one = one and not self.inner.known_keys
            return self.refuse(spot, reading, f"write [{node.text}]" if one else "")
        if len(node.items) > self.limit:
            return reading.fault(spot, f"holds more than {self.limit} items")
        values = [self.inner.read(spot.item(index), reading) for index in range(len(node.items))]
        if any(value is INVALID for value in values):
            return INVALID
        if self.unique is not None:
            names = [self.unique(value) for value in values]
            for index, name in enumerate(names):
                if name in names[:index]:
                    return reading.fault(spot.item(index), f"{name} stands in the list twice")
        return tuple(values)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.inner.schema()}

    def surface(self, node: Node) -> Any:
        return [self.inner.surface(item) for item in node.items]


class MapOf(Shape):
    """A mapping with keys of the user's choice. `check` says what is wrong with a key; `build` makes the value."""

    def __init__(
        self,
        inner: Shape,
        check: Callable[[str], str],
        build: Callable[[str, Any], Any] | None = None,
        key_pattern: str = "",
    ) -> None:
        self.inner, self.check, self.build, self.key_pattern = inner, check, build, key_pattern
        self.wants = "a mapping"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.blank:
            return {}
        if spot.node.kind != "mapping":
            return self.refuse(spot, reading)
        values: dict[str, Any] = {}
        for key, node in spot.node.pairs:
            under = spot.under(key, node)
            wrong = self.check(key.text)
            if wrong:
                reading.fault_key(under, wrong)
            value = self.inner.read(under, reading)
            values[key.text] = INVALID if wrong else value
        if any(value is INVALID for value in values.values()):
            return INVALID
        return {key: self.build(key, value) for key, value in values.items()} if self.build else values

    def schema(self) -> dict[str, Any]:
        inner = self.inner.schema()
        if not self.key_pattern:
            return {"type": "object", "additionalProperties": inner}
        return {"type": "object", "patternProperties": {self.key_pattern: inner}, "additionalProperties": False}

    def surface(self, node: Node) -> Any:
        return {key.text: self.inner.surface(child) for key, child in node.pairs}


def is_null(node: Node) -> bool:
    """Written as null, or not at all."""
    return node.kind == "scalar" and node.plain and not node.env and node.value() is None


def root_spot(root: Node) -> Spot:
    """Where the reading of a whole document begins."""
    return Spot(root, "", root)
