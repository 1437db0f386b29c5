"""Who depends on whom: what must be ready before, what must end before, in which order all of them are stopped."""

from collections.abc import Iterable, Mapping

from graced.spec.config import Kernel as Spec


def needs(spec: Spec) -> tuple[str, ...]:
    """The kernels that it depends on."""
    return tuple(dependency.name for dependency in spec.depends_on)


def dependants(specs: Mapping[str, Spec]) -> dict[str, tuple[str, ...]]:
    """For each kernel those that depend on it: an index, made once."""
    found: dict[str, list[str]] = {name: [] for name in specs}
    for name, spec in specs.items():
        for need in needs(spec):
            if need in found:
                found[need].append(name)
    return {name: tuple(names) for name, names in found.items()}


def with_dependencies(specs: Mapping[str, Spec], names: Iterable[str]) -> tuple[str, ...]:
    """The names and all that they depend on, dependencies first."""
    seen: dict[str, None] = {}
    for name in names:
        stack = [(name, False)]
        while stack:
            at, visited = stack.pop()
            if at in seen or at not in specs:
                continue
            if visited:
                seen[at] = None
                continue
            stack.append((at, True))
            stack += [(need, False) for need in reversed(needs(specs[at]))]
    return tuple(seen)


def stop_waves(specs: Mapping[str, Spec], names: Iterable[str]) -> list[list[str]]:
    """In which order to stop: each wave may be ended at once, dependents before what they depend on.

    Whoever is in a cycle, or is not in `specs`, is in the last wave that it can be in.
    """
    left = dict.fromkeys(names)
    blockers = dict.fromkeys(left, 0)
    for name in left:
        for need in _needed(specs, name, left):
            blockers[need] += 1
    waves: list[list[str]] = []
    wave = [name for name, count in blockers.items() if count == 0]
    while left:
        wave = wave or list(left)
        waves.append(wave)
        for name in wave:
            del left[name]
        freed: dict[str, None] = {}
        for name in wave:
            for need in _needed(specs, name, left):
                blockers[need] -= 1
                if blockers[need] == 0:
                    freed[need] = None
        wave = list(freed)
    return waves


def _needed(specs: Mapping[str, Spec], name: str, among: Mapping[str, None]) -> list[str]:
    return [need for need in dict.fromkeys(needs(specs[name]) if name in specs else ()) if need in among]
