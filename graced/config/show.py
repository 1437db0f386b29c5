"""`graced config show`: everything as merged, with where it comes from; and the JSON schema for editors."""

from typing import Any, Final

import yaml

from graced.config.file_table import FILE, Partial
from graced.config.load import Loaded
from graced.yaml_source.node import Node
from graced.yaml_source.record import Key, Record, Tagged
from graced.yaml_source.shape import MapOf, Nullable, Shape, is_null

COMMENT_COLUMN: Final = 48
_INDENT: Final = "  "
_LEFT_OUT: Final = ("include", "defaults")  # they are in what they were merged into


def show(loaded: Loaded) -> str:
    """The configuration as YAML that means the same anywhere; behind each value where it was written, `default`,
    `env` where the environment was put in, or what overrode it."""
    root = loaded.root or Node("mapping", "", 1, 1)
    lines = [f"# merged from {', '.join(loaded.files)}" if loaded.files else "# no file: all defaults"]
    for key in FILE.keys.values():
        if key.name == "home":
            pair = root.pair("home")
            origin = loaded.home_from or (_origin(pair[1]) if pair else "default")
            lines.append(_line(0, "home", loaded.config.home, origin))
        elif key.name not in _LEFT_OUT:
            _show_key(root, key, 0, lines)
    return "\n".join(lines) + "\n"


def _show_key(parent: Node, key: Key, depth: int, lines: list[str]) -> None:
    pair = parent.pair(key.name)
    if pair is not None:
        _show(key.name, pair[1], key.shape, depth, lines)
    elif key.default is not None:
        _show(key.name, _as_default(key.default_node(parent.file)), key.shape, depth, lines)


def _as_default(node: Node) -> Node:
    """The node and all below marked as written nowhere."""
    node.line = 0
    for child in (*node.items, *(child for _, child in node.pairs)):
        _as_default(child)
    return node


def _show(name: str, node: Node, shape: Shape, depth: int, lines: list[str]) -> None:
    """One key: a line, or a block of lines for a mapping with parts of its own."""
    block = _block(shape, node)
    if block is None:
        lines.append(_line(depth, name, shape.surface(node), _origin(node)))
        return
    if isinstance(block, Record):
        lines.append(f"{_INDENT * depth}{_flow(name)}:")
        inside = Node("mapping", node.file, node.line, node.column, pairs=node.pairs)
        for key in block.keys.values():
            _show_key(inside, key, depth + 1, lines)
        return
    if not node.pairs:
        lines.append(_line(depth, name, {}, _origin(node)))
        return
    lines.append(f"{_INDENT * depth}{_flow(name)}:")
    for child_key, child in node.pairs:
        _show(child_key.text, child, block.inner, depth + 1, lines)


def _block(shape: Shape, node: Node) -> Record | MapOf | None:
    """The table by which a value is shown in parts; None: it is shown on one line."""
    if isinstance(shape, Partial):
        return shape.record
    if isinstance(shape, Nullable):
        return None if is_null(node) else _block(shape.inner, node)
    if isinstance(shape, Tagged):
        return shape.variant(node)
    return shape if isinstance(shape, Record | MapOf) else None


def _line(depth: int, name: str, value: Any, origin: str) -> str:
    text = f"{_INDENT * depth}{_flow(name)}: {_flow(value)}"
    return f"{text:<{COMMENT_COLUMN}}  # {origin}"


def _flow(value: Any) -> str:
    """Any value as YAML on one line."""
    text = yaml.safe_dump(
        _escaped(value), default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _escaped(value: Any) -> Any:
    """`${` in texts so that it is read as just that."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}
    return [_escaped(child) for child in value] if isinstance(value, list) else value


def _origin(node: Node) -> str:
    if not node.line:
        return "default"
    from_env = _any_env(node)
    return f"{node.file}:{node.line}" + (" (env)" if from_env else "")


def _any_env(node: Node) -> bool:
    return node.env or any(map(_any_env, node.items)) or any(_any_env(child) for _, child in node.pairs)


def json_schema() -> dict[str, Any]:
    """JSON Schema of graced.yaml, for editors. A kernel may have its `command` from `defaults`."""
    schema = FILE.schema()
    kernels = schema["properties"]["kernels"]
    for kernel in kernels["patternProperties"].values():
        kernel.pop("required", None)
    each = {"properties": {"kernels": {"additionalProperties": {"required": ["command"]}}}}
    shared = {"required": ["defaults"], "properties": {"defaults": {"required": ["command"]}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "graced.yaml",
        **_with_variables(schema),
        "anyOf": [each, shared],
        "$defs": {"variable": {"type": "string", "pattern": r"\$\{", "description": "${VAR} or ${VAR:-default}"}},
    }


def _with_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with `${VAR}` allowed wherever a value is not free text."""
    if "enum" in schema or "pattern" in schema or schema.get("type") in ("integer", "number", "boolean"):
        about: dict[str, Any] = {name: schema[name] for name in ("description", "default") if name in schema}
        value = {name: part for name, part in schema.items() if name not in about}
        return {"anyOf": [value, {"$ref": "#/$defs/variable"}], **about}
    whole = dict(schema)
    for name in ("properties", "patternProperties"):
        if name in whole:
            whole[name] = {key: _with_variables(part) for key, part in whole[name].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(whole.get(name), dict):
            whole[name] = _with_variables(whole[name])
    if "anyOf" in whole:
        whole["anyOf"] = [_with_variables(part) for part in whole["anyOf"]]
    return whole
