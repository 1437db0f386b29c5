"""What no key can tell by itself: dependencies, intervals, names that clash, rungs that exist.

Each check reads from the tree what it needs and passes over what is wrong there: that was told already.
"""

from collections.abc import Iterator
from typing import Any, Final

from graced.config.file_table import FILE, TIMING
from graced.config.kernel_table import KERNEL
from graced.yaml_source.node import Node
from graced.yaml_source.problem import Problems, join, nearest
from graced.yaml_source.shape import INVALID, Reading, Spot

KERNELS_LIMIT: Final = 10_000
"""With replicas."""

TIMEOUT_INTERVALS: Final = 3
RUNGS: Final = ("restart", "fix_source", "restore_source", "notify")


def check_tree(root: Node, problems: Problems) -> None:
    """Tell everything that is wrong between the keys of a complete tree."""
    kernels = _kernels(root)
    _check_timing(root, problems)
    _check_replicas(kernels, problems)
    edges = _check_dependencies(kernels, problems)
    _check_cycles(kernels, edges, problems)
    _check_ladders(root, kernels, problems)


def _kernels(root: Node) -> dict[str, Spot]:
    pair = root.pair("kernels")
    if pair is None:
        return {}
    return {key.text: Spot(node, join("kernels", key.text), key) for key, node in pair[1].pairs}


def _peek(spot: Spot, name: str) -> Any:
    """The value of a kernel's key, its default if it is not there, INVALID if it is wrong."""
    key = KERNEL.keys[name]
    pair = spot.node.pair(name)
    if pair is None:
        return key.default_value(spot.node.file)
    return key.shape.read(spot.under(*pair), Reading(Problems()))


def _check_timing(root: Node, problems: Problems) -> None:
    pair = root.pair("timing")
    if pair is None:
        return
    timing: Any = TIMING.read(Spot(pair[1], "timing", pair[0]), Reading(Problems()))
    if timing is INVALID or timing.heartbeat_timeout_s >= TIMEOUT_INTERVALS * timing.heartbeat_interval_s:
        return
    least, most = timing.heartbeat_interval_s * TIMEOUT_INTERVALS, timing.heartbeat_timeout_s / TIMEOUT_INTERVALS
    for name, message in (
        ("heartbeat_timeout", f"must be at least three times heartbeat_interval, {least:g}s"),
        ("heartbeat_interval", f"must be at most a third of heartbeat_timeout, {most:g}s"),
    ):
        found = pair[1].pair(name)
        if found is not None:
            Reading(problems).fault(Spot(found[1], f"timing.{name}", found[0]), message)
            return


def _names(spot: Spot, name: str) -> list[str]:
    replicas = _peek(spot, "replicas")
    return [name] if replicas is INVALID or replicas == 1 else [f"{name}.{index}" for index in range(replicas)]


def _check_replicas(kernels: dict[str, Spot], problems: Problems) -> None:
    total = 0
    for name, spot in kernels.items():
        names = _names(spot, name)
        total += len(names)
        for replica in names:
            if replica != name and replica in kernels:
                at = kernels[replica]
                Reading(problems).fault_key(
                    at, f"is also the name of a replica of {name}", f"rename it, or give {name} fewer replicas"
                )
        if total > KERNELS_LIMIT:
            Reading(problems).fault_key(spot, f"more than {KERNELS_LIMIT} kernels, replicas counted")
            return


def _check_dependencies(kernels: dict[str, Spot], problems: Problems) -> dict[str, list[tuple[str, Spot]]]:
    """The edges between kernels that exist, each with where it is written."""
    replicas = {replica: name for name, spot in kernels.items() for replica in _names(spot, name)}
    owners = {**replicas, **{name: name for name in kernels}}
    edges: dict[str, list[tuple[str, Spot]]] = {name: [] for name in kernels}
    for name, spot in kernels.items():
        pair = spot.node.pair("depends_on")
        needs = _peek(spot, "depends_on")
        if pair is None or needs is INVALID:
            continue
        listed = spot.under(*pair)
        for index, need in enumerate(needs):
            at = listed.item(index)
            if need.name in owners:
                edges[name].append((owners[need.name], at))
            else:
                Reading(problems).fault(at, f"there is no kernel {need.name!r}", nearest(need.name, kernels))
    return edges


def _check_cycles(kernels: dict[str, Spot], edges: dict[str, list[tuple[str, Spot]]], problems: Problems) -> None:
    """Depth first, without recursion; each edge back to a kernel that is still open closes a cycle."""
    done: set[str] = set()
    for start in kernels:
        path: list[str] = []
        walks: list[tuple[str, Iterator[tuple[str, Spot]]]] = []
        if start not in done:
            path, walks = [start], [(start, iter(edges[start]))]
        inside = set(path)
        while walks:
            name, rest = walks[-1]
            step = next(rest, None)
            if step is None:
                done.add(name)
                inside.discard(path.pop())
                walks.pop()
            elif step[0] in inside:
                cycle = path[path.index(step[0]) :]
                Reading(problems).fault(step[1], "a cycle: " + " -> ".join([*cycle, cycle[0]]), "remove one of them")
            elif step[0] not in done:
                path.append(step[0])
                inside.add(step[0])
                walks.append((step[0], iter(edges[step[0]])))


def _check_ladders(root: Node, kernels: dict[str, Spot], problems: Problems) -> None:
    known: set[str] | None = None
    for spot in kernels.values():
        pair = spot.node.pair("ladder")
        rungs = _peek(spot, "ladder")
        if pair is None or rungs is INVALID:
            continue
        for index, rung in enumerate(rungs):
            if rung in RUNGS:
                continue
            known = _playbook_names(root) if known is None else known
            if rung not in known:
                words = [*RUNGS, *sorted(known)]
                hint = nearest(rung, words)
                also = "" if hint else "rungs are " + ", ".join(RUNGS)
                message = f"{rung!r} is neither a rung nor the name of a playbook"
                Reading(problems).fault(spot.under(*pair).item(index), message, hint or also)


def _playbook_names(root: Node) -> set[str]:
    from graced.playbooks.load import playbook_names

    pair = root.pair("playbooks")
    if pair is None:
        return playbook_names(())
    folders = FILE.keys["playbooks"].shape.read(Spot(pair[1], "playbooks", pair[0]), Reading(Problems()))
    return playbook_names(() if folders is INVALID else folders)
