"""Kernels with `replicas`: NAME becomes NAME.0, NAME.1, …, each a kernel of its own.

Light: members import this.
"""

from msgspec.structs import replace

from graced.spec.config import Config, Dependency, Kernel

REPLICA_ENV = "GRACED_REPLICA"


def replica_names(kernel: Kernel) -> tuple[str, ...]:
    """The names under which a kernel of graced.yaml runs: its own, or one for each replica (none for 0)."""
    if kernel.replicas == 1:
        return (kernel.name,)
    return tuple(f"{kernel.name}.{index}" for index in range(kernel.replicas))


def clashes(kernels: dict[str, Kernel]) -> tuple[tuple[str, str], ...]:
    """(NAME, NAME.N) pairs where a replica of the first would have the name of another kernel."""
    return tuple(
        (kernel.name, name)
        for kernel in kernels.values()
        for name in replica_names(kernel)
        if name != kernel.name and name in kernels
    )


def expand_replicas(config: Config) -> dict[str, Kernel]:
    """Every kernel that is to run, by name. A dependency on NAME becomes one on each of its replicas.

    Raises ValueError where two kernels would have one name (`load` refuses such a configuration before).
    """
    found = clashes(config.kernels)
    if found:
        raise ValueError(f"a replica of kernel {found[0][0]!r} has the name of kernel {found[0][1]!r}")
    expanded: dict[str, Kernel] = {}
    for kernel in config.kernels.values():
        needs = tuple(one for need in kernel.depends_on for one in _each(need, config.kernels))
        if kernel.replicas == 1:
            expanded[kernel.name] = replace(kernel, depends_on=needs)
            continue
        for index, name in enumerate(replica_names(kernel)):
            env = {**kernel.env, REPLICA_ENV: str(index)}
            expanded[name] = replace(kernel, name=name, env=env, depends_on=needs, replica_of=kernel.name)
    return expanded


def _each(need: Dependency, kernels: dict[str, Kernel]) -> tuple[Dependency, ...]:
    """A dependency by the names that run; one that names a replica already stays as it is."""
    if need.name not in kernels:
        return (need,)
    return tuple(replace(need, name=name) for name in replica_names(kernels[need.name]))
