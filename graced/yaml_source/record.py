"""Tables of mappings: a `Record` of `Key`s, each with its shape, its default (as YAML text) and one line for people.

From the same table come the checks, the defaults, the hints, `config show` and the JSON schema for editors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graced.yaml_source.node import Node
from graced.yaml_source.parse import parse
from graced.yaml_source.problem import Problems, did_you_mean, nearest
from graced.yaml_source.shape import INVALID, Reading, Shape, Spot

_NOTHING: Final[Any] = {}


class Key:
    """One key of a Record. `default`: YAML text, None if the key is required. `field`: its name in the struct."""

    def __init__(self, name: str, shape: Shape, default: str | None, about: str, field: str = "") -> None:
        self.name, self.shape, self.default, self.about = name, shape, default, about
        self.field = field or name + shape.unit
        self._default: Any = INVALID

    def default_node(self, file: str) -> Node:
        """The default as if it were written in `file`, so that a relative path is relative to it."""
        assert self.default is not None, self.name
        node, _ = parse(self.default, file, Problems())
        return node if node is not None else Node("scalar", file, 1, 1)

    def default_value(self, file: str) -> Any:
        """The default as read; a new one each time only where it depends on `file`."""
        if self.shape.relative:
            return self._read_default(file)
        if self._default is INVALID:
            self._default = self._read_default(file)
        return self._default

    def _read_default(self, file: str) -> Any:
        node = self.default_node(file)
        problems = Problems()
        value = self.shape.read(Spot(node, self.name, node), Reading(problems))
        assert not problems, [str(problem) for problem in problems.sorted()]
        return value


class Record(Shape):
    """A mapping with known keys, read into `into(**fields)`. `elsewhere`: hints for keys that people look for here."""

    known_keys = True

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

    known_keys = True

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


def _key_schema(key: Key) -> dict[str, Any]:
    schema = {**key.shape.schema(), "description": key.about}
    if key.default is not None:
        node = key.default_node("")
        schema["default"] = node.value()
    return schema
