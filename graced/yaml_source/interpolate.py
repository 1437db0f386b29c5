"""`${VAR}` and `${VAR:-default}` in values, from the environment. `$${` is a literal `${`; a lone `$` is a lone `$`."""

import re
from collections.abc import Mapping

from graced.yaml_source.node import Node, is_utf8
from graced.yaml_source.problem import Problem, Problems, clip, join

VALUE_LIMIT_CHARS = 64 * 1024
"""Of one value once the environment is put in."""

_FOUND = re.compile(r"\$(\$\{|\{([^{}]*)(\}|\{|\Z))", re.DOTALL)
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\Z", re.DOTALL | re.ASCII)


class _Wrong(Exception):
    """Message and hint about one reference."""


def interpolate(root: Node, path: str, environ: Mapping[str, str], problems: Problems) -> None:
    """Put the environment into every value under `root`, in place. Keys stay as they are."""
    seen: set[int] = set()
    stack = [(root, path)]
    while stack:
        node, here = stack.pop()
        if id(node) in seen:  # behind an alias; a second pass would take `$${` for a reference
            continue
        seen.add(id(node))
        if node.kind == "mapping":
            stack.extend((child, join(here, key.text)) for key, child in reversed(node.pairs))
        elif node.kind == "sequence":
            stack.extend((item, f"{here}[{index}]") for index, item in enumerate(node.items))
        elif "${" in node.text:
            _fill(node, here, environ, problems)


def _fill(node: Node, path: str, environ: Mapping[str, str], problems: Problems) -> None:
    used = False

    def put(found: re.Match[str]) -> str:
        nonlocal used
        if found[1] == "${":
            return "${"
        used = True
        return _lookup(found, environ)

    try:
        text = _FOUND.sub(put, node.text)
    except _Wrong as wrong:
        node.told = True
        message, hint = wrong.args
        problems.add(Problem(node.file, node.line, node.column, path, message, hint))
        return
    if len(text) > VALUE_LIMIT_CHARS:
        message = f"is longer than {VALUE_LIMIT_CHARS} characters with the environment put in"
        problems.add(Problem(node.file, node.line, node.column, path, message))
        return
    node.text, node.env = text, used


def _lookup(found: re.Match[str], environ: Mapping[str, str]) -> str:
    inside = _INSIDE.match(found[2]) if found[3] == "}" else None
    if inside is None:
        raise _Wrong(
            f"{clip(found[0])} is not ${{VAR}} or ${{VAR:-default}}", "write $${ for a ${ that is meant for others"
        )
    name, default = inside[1], inside[2]
    value = environ.get(name)
    if default is not None:
        value = value or default
    if value is None:
        raise _Wrong(f"the environment has no {name}", f"set it, or give a default: ${{{name}:-default}}")
    if not is_utf8(value):
        raise _Wrong(f"{name} in the environment is not UTF-8 text", "set it to UTF-8 text")
    return value
