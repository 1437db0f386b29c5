"""Keys that are accepted and checked but have no effect yet. One table; an entry goes when its feature comes."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from graced.config.load import ConfigError, Loaded
from graced.yaml_source.node import Node
from graced.yaml_source.problem import Problem, join
from graced.yaml_source.shape import is_null


def _given(node: Node) -> bool:
    """Says something: not null, no empty list or mapping."""
    return not is_null(node) if node.kind == "scalar" else bool(node.pairs or node.items)


def _other_than(*words: str) -> Callable[[Node], bool]:
    return lambda node: node.kind != "scalar" or node.text not in words


class Inert(Struct, frozen=True):
    """`path`: keys with dots between, under KERNEL for those of kernels and of `defaults`, with `[]` behind one that
    holds a list, whose items are meant; `when`: for these values. `unsafe`: what would happen if the key were passed
    over, where that is not what its author may rely on: such a key is refused.
    """

    path: str
    when: Callable[[Node], bool] = _given
    unsafe: str = ""


KERNEL: Final = "KERNEL"

TABLE: Final = (
    Inert("coding_agent.probation"),
    Inert("KERNEL.schedule", unsafe="it would run at once, and again each time it ends; leave it to cron so far"),
    Inert("KERNEL.depends_on[].on_restart", _other_than("ignore")),
    Inert(
        "KERNEL.depends_on[].on_failure",
        _other_than("ignore"),
        "it would run on without what it depends on; take the key out if it may",
    ),
    Inert("KERNEL.ready.when", _other_than("started", "exited")),
    Inert("KERNEL.health.kind", _other_than("none")),
    Inert("KERNEL.limits.memory"),
    Inert("KERNEL.limits.cpu"),
    Inert("KERNEL.reload", _other_than("restart")),
    Inert("KERNEL.restart_mode", _other_than("stop_first")),
    Inert("KERNEL.hooks.before_start", unsafe="it would run unprepared; make that a part of its `command` so far"),
    Inert("KERNEL.hooks.after_ready"),
    Inert("KERNEL.hooks.after_exit"),
    Inert("KERNEL.when_done", _other_than("keep")),
    Inert("KERNEL.when_failed", _other_than("keep")),
    Inert("KERNEL.log.to", _other_than("file")),
    Inert("KERNEL.log.max_size"),
    Inert("KERNEL.log.keep"),
    Inert("KERNEL.log.max_age"),
)


def inert_warnings(loaded: Loaded) -> list[Problem]:
    """A line for `start` of each key that is set and may be passed over, in the order of the files.

    A key set in `defaults` is told there alone.
    """
    return [problem for problem in _problems(loaded) if not problem.hint]


def refuse_unsafe(loaded: Loaded) -> None:
    """Raises ConfigError for keys without effect that change what is safe."""
    refused = [problem for problem in _problems(loaded) if problem.hint]
    if refused:
        raise ConfigError(refused)


def _problems(loaded: Loaded) -> list[Problem]:
    if loaded.root is None:
        return []
    found: dict[tuple[str, int, int], Problem] = {}
    for path, key, unsafe in _walk(loaded.root):
        problem = Problem(key.file, key.line, key.column, path, "has no effect yet", unsafe)
        found.setdefault((key.file, key.line, key.column), problem)
    rank = {file: index for index, file in enumerate(loaded.files)}
    return sorted(found.values(), key=lambda p: (rank.get(p.file, len(rank)), p.line, p.column))


def _walk(root: Node) -> Iterator[tuple[str, Node, str]]:
    """(path, where, unsafe); `defaults` first, so that what kernels have from there is told for it."""
    scopes = [("", root)]
    for name in ("defaults", "kernels"):
        node = root.get(name)
        if node is not None:
            scopes += [(name, node)] if name == "defaults" else [(join(name, key.text), k) for key, k in node.pairs]
    for scope, node in scopes:
        for entry in TABLE:
            parts = entry.path.split(".")
            if (parts[0] == KERNEL) != bool(scope):
                continue
            for path, key, value in _find(node, parts[1:] if scope else parts, scope):
                if entry.when(value):
                    yield path, key, entry.unsafe


def _find(node: Node, names: list[str], path: str) -> Iterator[tuple[str, Node, Node]]:
    """(path, key, value) of each place below `node`, which stands at `path`, that `names` lead to."""
    name, rest = names[0], names[1:]
    pair = node.pair(name.removesuffix("[]"))
    if pair is None:
        return
    path = f"{path}.{pair[0].text}" if path else pair[0].text
    if not rest:
        yield path, *pair
    elif name.endswith("[]"):
        for index, item in enumerate(pair[1].items):
            yield from _find(item, rest, f"{path}[{index}]")
    else:
        yield from _find(pair[1], rest, path)
