"""Tables that say what a YAML value must be. A shape reads a node into a typed value, or says what is wrong with it.

A mapping's table is a `Record` of `Key`s, each with its shape, its default (as YAML text) and one line for people;
from the same table come the checks, the defaults, the hints, `config show` and the JSON schema for editors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from graced.yaml_source.node import Node
from graced.yaml_source.parse import parse
from graced.yaml_source.problem import Problem, Problems, did_you_mean, join, nearest


class Invalid:
    """What a reading gives instead of a value, after it has told the problem."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()

_NOTHING: Final[Any] = {}


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
    """`wants`: for messages. `unit`: what the name of a field with this value ends in."""

    wants = "a value"
    unit = ""

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
            hint = f"write [{node.text}]" if node.kind == "scalar" and node.text and not node.env else ""
            return self.refuse(spot, reading, hint if len(hint) <= 60 and not is_null(node) else "")
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


class Key:
    """One key of a Record. `default`: YAML text, None if the key is required. `field`: its name in the struct."""

    def __init__(self, name: str, shape: Shape, default: str | None, about: str, field: str = "") -> None:
        self.name, self.shape, self.default, self.about = name, shape, default, about
        self.field = field or name + shape.unit

    def default_node(self, file: str) -> Node:
        """The default as if it were written in `file`, so that a relative path is relative to it."""
        assert self.default is not None, self.name
        node, _ = parse(self.default, file, Problems())
        return node if node is not None else Node("scalar", file, 1, 1)

    def default_value(self, file: str) -> Any:
        node = self.default_node(file)
        problems = Problems()
        value = self.shape.read(Spot(node, self.name, node), Reading(problems))
        assert not problems, [str(problem) for problem in problems.sorted()]
        return value


class Record(Shape):
    """A mapping with known keys, read into `into(**fields)`. `elsewhere`: hints for keys that people look for here."""

    def __init__(
        self, into: Callable[..., Any], keys: Sequence[Key], elsewhere: Mapping[str, str] = _NOTHING, wants: str = ""
    ) -> None:
        self.into = into
        self.keys = {key.name: key for key in keys}
        self.elsewhere = elsewhere
        self.wants = wants or "a mapping"

    def read(self, spot: Spot, reading: Reading) -> Any:
        node = spot.node
        if node.kind != "mapping" and not node.blank:
            return self.refuse(spot, reading)
        given = {key.text: spot.under(key, child) for key, child in node.pairs}
        whole = True
        meant: set[str] = set()
        for name, under in given.items():
            if name not in self.keys:
                whole = False
                hint = self.elsewhere.get(name) or nearest(name, self.keys)
                meant.update(key for key in self.keys if hint == did_you_mean(key))
                reading.fault_key(under, "unknown key", hint)
        fields: dict[str, Any] = {}
        for name, key in self.keys.items():
            if name in given:
                value = key.shape.read(given[name], reading)
            elif key.default is not None:
                value = key.default_value(node.file)
            elif reading.partial or name in meant:  # a misspelt key is one problem, not two
                whole = False
                continue
            else:
                value = reading.fault_key(spot, f"`{name}` is missing", f"it needs {key.shape.wants}")
            fields[key.field] = value
        if not whole or any(value is INVALID for value in fields.values()):
            return INVALID
        return self.into(**fields)

    def schema(self) -> dict[str, Any]:
        required = [name for name, key in self.keys.items() if key.default is None]
        return {
            "type": "object",
            "properties": {name: _key_schema(key) for name, key in self.keys.items()},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def surface(self, node: Node) -> Any:
        return {
            key.text: self.keys[key.text].shape.surface(child) if key.text in self.keys else child.value()
            for key, child in node.pairs
        }


class Tagged(Shape):
    """A mapping where one key says which others there are. All variants are read into one flat struct."""

    def __init__(
        self,
        into: Callable[..., Any],
        tag: Key,
        common: Sequence[Key],
        variants: Mapping[str, Sequence[Key]],
        elsewhere: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.tag, self.common = tag, tuple(common)
        self.wants = f"a mapping such as {{{tag.name}: {next(iter(variants))}}}"
        every: dict[str, list[str]] = {}
        for kind, keys in variants.items():
            for key in keys:
                every.setdefault(key.name, []).append(kind)
        self.variants = {
            kind: Record(
                into,
                (tag, *common, *keys),
                {
                    **{n: f"`{n}` goes with {tag.name}: {' or '.join(kinds)}" for n, kinds in every.items()},
                    **elsewhere,
                },
            )
            for kind, keys in variants.items()
        }

    def variant(self, node: Node) -> Record | None:
        """The table for this mapping; None if its tag is none that is known."""
        tag = node.get(self.tag.name)
        return self.variants.get(tag.text if tag is not None and tag.kind == "scalar" else self.tag.default or "")

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind != "mapping" and not spot.node.blank:
            hint = ""
            if spot.node.kind == "scalar" and spot.node.text in self.variants:
                hint = f"write {{{self.tag.name}: {spot.node.text}}}"
            return self.refuse(spot, reading, hint)
        record = self.variant(spot.node)
        if record is None:
            found = spot.node.pair(self.tag.name)
            assert found is not None
            return self.tag.shape.read(spot.under(*found), reading)
        return record.read(spot, reading)

    def schema(self) -> dict[str, Any]:
        branches = []
        for kind, record in self.variants.items():
            branch = record.schema()
            branch["properties"][self.tag.name] = {"const": kind, "description": self.tag.about}
            if kind != self.tag.default:
                branch["required"] = [self.tag.name, *branch.get("required", [])]
            branches.append(branch)
        return {"anyOf": branches}

    def surface(self, node: Node) -> Any:
        record = self.variant(node)
        return record.surface(node) if record else node.value()


def is_null(node: Node) -> bool:
    """Written as null, or not at all."""
    return node.kind == "scalar" and node.plain and not node.env and node.value() is None


def _key_schema(key: Key) -> dict[str, Any]:
    schema = {**key.shape.schema(), "description": key.about}
    if key.default is not None:
        node = key.default_node("")
        schema["default"] = node.value()
    return schema


def root_spot(root: Node) -> Spot:
    """Where the reading of a whole document begins."""
    return Spot(root, "", root)
