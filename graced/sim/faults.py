"""What can go wrong, as a table: each fault with its weight and the function that makes it happen."""

from collections.abc import Callable
from typing import Final

from graced.core.orders import Exit
from graced.sim.machine import Process
from graced.sim.member import Member
from graced.sim.wires import Disturbance
from graced.sim.world import World
from graced.spec.roles import HEALERS, MEMBERS

Fault = Callable[[World], str]  # what was done, in words

LONG_SHARE: Final = 0.05  # of losses and hangs: longer than the timeout, so that a quorum has to judge


def _interval(world: World) -> float:
    return world.timing.interval


def _some(world: World) -> Member | None:
    """Any member's process, newborns and frozen ones too."""
    members = list(world.members.values())
    return world.random.choice(members) if members else None


def _begun(world: World) -> list[Member]:
    return [m for m in world.wires.bound.values() if m.begun]


def _holders(world: World, roles: tuple[str, ...]) -> list[Process]:
    found = (world.role_process(role) for role in roles)
    return [process for process in found if process is not None]


def _strike(world: World, process: Process, why: str) -> str:
    member = world.members.get(process.pid)
    if member is not None:
        member.struck = True
    for check in world.checks:
        check.struck(member, "kill")
    world.fault(process, why)
    return f"{process}"


def _kill(world: World) -> str:
    member = _some(world)
    return "nobody" if member is None else "kill " + _strike(world, member.process, "is killed")


def _kill_roles(world: World, roles: tuple[str, ...]) -> str:
    return "kill " + ", ".join(_strike(world, p, "is killed") for p in _holders(world, roles))


def kill_healers(world: World) -> str:
    return _kill_roles(world, HEALERS)


def _kill_subset(world: World) -> str:
    count = world.random.randint(2, len(MEMBERS) - 1)
    return _kill_roles(world, tuple(world.random.sample(MEMBERS, count)))


def _kill_all(world: World) -> str:
    return "kill " + ", ".join(_strike(world, m.process, "is killed") for m in tuple(world.members.values()))


def _kill_executor(world: World) -> str:
    """Whoever is bringing somebody back just now, at a random moment soon."""
    busy = [m for m in _begun(world) if m.core.runs]
    if not busy:
        return _kill(world)
    member = world.random.choice(busy)
    world.clock.after(world.random.uniform(0, 0.05), _later, world, member.process)
    return f"kill the executor {member} soon"


def _later(world: World, process: Process) -> None:
    if process.alive:
        _strike(world, process, "is killed during a recovery")


def _kill_newborn(world: World) -> str:
    """Kill somebody, and its successor at a random moment of its start."""
    member = _some(world)
    if member is None:
        return "nobody"
    role, delay = member.role, world.random.choice((0.004, 0.008, 0.012, 0.02, 0.05, 0.1))
    text = _strike(world, member.process, "is killed")
    world.clock.after(delay * world.random.random() + 0.003, _kill_youngest, world, role)
    return f"kill {text} and its successor"


def _kill_youngest(world: World, role: str) -> None:
    members = [m for m in world.members.values() if m.role == role]
    if members:
        _strike(world, max(members, key=lambda m: m.process.pid).process, "is killed while it starts")


def _crash(world: World) -> str:
    """Death between two effects of one step."""
    bound = _begun(world)
    if not bound:
        return "nobody"
    busy = [m for m in bound if m.core.runs] or bound
    member = world.random.choice(busy if world.random.random() < 0.7 else bound)
    member.crash_in = world.random.randint(0, 20)
    member.struck = True
    world.crashes += 1
    return f"{member} will die midway"


def _freeze(world: World, *, stopped: bool, longest: float) -> str:
    member = _some(world)
    if member is None or member.process.life != "running":
        return "nobody"
    member.struck = True
    world.machine.freeze(member.process, stopped=stopped)
    span = world.random.uniform(0.05, longest) * _interval(world)
    if stopped and world.random.random() < 0.3:
        return f"stop {member} for good"
    world.clock.after(span, world.thaw, member.process)
    return f"{'stop' if stopped else 'hang'} {member} for {span:.3f} s"


def _stop(world: World) -> str:
    return _freeze(world, stopped=True, longest=12.0)


def _stop_for_good(world: World) -> str:
    process = world.random.choice(_holders(world, MEMBERS) or [None])
    if process is None:
        return "nobody"
    _freeze_for_good(world, process)
    return f"stop {process} for good"


def _freeze_for_good(world: World, process: Process) -> None:
    for check in world.checks:
        check.struck(None, "stop")
    world.machine.freeze(process, stopped=True)


def _pause(world: World) -> str:
    """A loop that is held up for less than the timeout, as by load."""
    return _freeze(world, stopped=False, longest=0.9 * world.timing.timeout / _interval(world))


def _hang(world: World) -> str:
    return _freeze(world, stopped=False, longest=2.5 * world.timing.timeout / _interval(world))


def _stop_healers(world: World) -> str:
    for process in _holders(world, HEALERS):
        _freeze_for_good(world, process)
    return "stop both healers for good"


def _span(world: World) -> float:
    timing, random = world.timing, world.random
    if random.random() < LONG_SHARE:
        return random.uniform(1.0, 1.5) * timing.timeout
    return random.uniform(0.2, 3.0) * timing.interval


def _disturb(world: World, what: str, *, lose: bool = False, delay: float = 0.0, repeat: bool = False) -> str:
    random = world.random
    source = random.choice((*MEMBERS, ""))
    target = random.choice((*MEMBERS, "")) if source else random.choice(MEMBERS)
    span, share = _span(world), random.choice((0.3, 0.7, 1.0))
    until = world.clock.now + span
    world.wires.disturbances.append(Disturbance(until, what, source, target, share, lose, delay, repeat))
    how = "lost" if lose else "twice" if repeat else f"{delay:.3f} s late"
    return f"{what} {source or 'all'} -> {target or 'all'} {how} for {span:.3f} s"


def _lose_beats(world: World) -> str:
    return _disturb(world, "beats", lose=True)


def _deafen(world: World) -> str:
    """One member does not hear one other, who is well, for longer than the timeout."""
    source, target = world.random.sample(MEMBERS, 2)
    span = world.random.uniform(1.2, 2.0) * world.timing.timeout
    world.wires.disturbances.append(Disturbance(world.clock.now + span, "beats", source, target, lose=True))
    return f"{target} does not hear {source} for {span:.3f} s"


def deafen_spawner(world: World) -> str:
    """Somebody is born again, and the spawner alone does not hear the newborn, for longer than it gives to newborns."""
    role = world.random.choice([r for r in MEMBERS if r != "spawner"])
    until = world.clock.now + 4 * max(5.0, 10 * _interval(world))
    world.wires.disturbances.append(Disturbance(until, "beats", role, "spawner", lose=True))
    for process in _holders(world, (role,)):
        _strike(world, process, "is killed")
    return f"kill {role}; the spawner does not hear its successor"


def _stop_newborn(world: World) -> str:
    """Kill somebody, and stop its successor for good before it is heard."""
    member = _some(world)
    if member is None:
        return "nobody"
    text = _strike(world, member.process, "is killed")
    world.clock.after(world.random.uniform(0.0, 0.001), _stop_youngest, world, member.role, world.clock.now + 1.0)
    return f"kill {text} and stop its successor"


def _stop_youngest(world: World, role: str, until: float) -> None:
    young = [m for m in world.members.values() if m.role == role and not m.begun]
    if young:
        _freeze_for_good(world, young[-1].process)
    elif world.clock.now < until:
        world.clock.after(0.001, _stop_youngest, world, role, until)


def _late_beats(world: World) -> str:
    return _disturb(world, "beats", delay=world.random.uniform(0.1, 2.5) * _interval(world))


def _lose_commands(world: World) -> str:
    return _disturb(world, "commands", lose=True)


def _late_commands(world: World) -> str:
    return _disturb(world, "commands", delay=world.random.uniform(0.1, 6.0) * _interval(world))


def _repeat_commands(world: World) -> str:
    return _disturb(world, "commands", repeat=True)


def _break_module(world: World) -> str:
    """A member's code cannot be imported for a while."""
    role = world.random.choice([r for r in MEMBERS if r != "spawner"])
    span = world.random.uniform(2.0, 10.0) * _interval(world)
    world.broken.add(role)
    world.clock.after(span, world.broken.discard, role)
    for process in _holders(world, (role,)):
        _strike(world, process, "is killed, and cannot be imported")
    return f"break {role} for {span:.3f} s"


def _void_stop(world: World) -> str:
    """A `graced stop` that dies midway, at whatever point: healing resumes."""
    span, victims = world.random.uniform(0.05, 1.0), world.random.randint(0, 4)
    world.clock.after(span, world.withdraw_stop, world.announce_stop())
    roles = MEMBERS[:victims]  # the spawner first, as a stop does it
    return f"a stop that dies after {span:.3f} s; " + _kill_roles(world, roles)


# --- kernels and people


def _kernel(world: World) -> str:
    return world.random.choice(tuple(world.specs))


def _kill_kernel(world: World) -> str:
    name = _kernel(world)
    process = world.kernels.get(name)
    if process is not None:
        world.fault(process, "is killed")
    return f"kill {name}"


def _exit_kernel(world: World) -> str:
    name, code = _kernel(world), world.random.choice((0, 1, 3))
    process = world.kernels.get(name)
    if process is not None:
        world.exit_kernel(process, Exit(code=code))
    return f"{name} exits {code}"


def _kill_kernel_and(world: World) -> str:
    """A kernel and who would bring it back, in the same instant."""
    text = _kill_kernel(world)
    return text + ", " + _kill_roles(world, (world.random.choice(("self_healing", "spawner")),))


def _kill_kernel_behind(world: World) -> str:
    """A kernel and self_healing, and the spawner once it has carried out the order: nobody lives who could tell."""
    text = _kill_kernel(world) + ", " + _kill_roles(world, ("self_healing",))
    for process in _holders(world, ("spawner",)):
        world.clock.after(world.random.uniform(0.001, 0.006), _later, world, process)
    return text + ", and the spawner soon"


def _crash_loop(world: World) -> str:
    name = _kernel(world)
    world.manners[name].crashing = world.clock.now + world.random.uniform(0.5, 5.0)
    process = world.kernels.get(name)
    if process is not None:
        world.exit_kernel(process, Exit(code=1))
    return f"{name} crashes again and again"


def _missing(world: World) -> str:
    name = _kernel(world)
    world.manners[name].missing = world.clock.now + world.random.uniform(0.1, 1.0)
    world.manners[name].wanting = world.random.random() < 0.5
    return f"the program of {name} is missing for a while"


def _person(world: World) -> str:
    what = world.random.choice(("start", "start", "restart", "stop"))
    name = _kernel(world)
    if not world.person("self_healing", f"kernels.{what}", {"names": [name]}):
        return "nobody to ask"
    return f"a person asks to {what} {name}"


def _stop_kernel(world: World) -> str:
    """SIGSTOP to a kernel: nobody minds, until it is to end."""
    process = world.kernels.get(_kernel(world))
    if process is None or process.life != "running":
        return "no kernel to stop"
    world.machine.freeze(process, stopped=True)
    world.clock.after(world.random.uniform(0.1, 5.0), world.thaw, process)
    return f"stop {process}"


# --- sources, playbooks, the disk


def _break_source(world: World) -> str:
    """Somebody saves a file that does not compile, or that does and dies; the kernel meets it at its next start."""
    path = world.random.choice(tuple(world.sources.files))
    text = f"{world.random.choice(('broken', 'broken', 'raises'))} {world.random.randint(1, 1000)}"
    world.change_source(path, text)
    victims = world.kernels_of(path)
    if world.random.random() < 0.7:
        for name in victims:
            process = world.kernels.get(name)
            if process is not None:
                world.fault(process, "is killed over its new source")
    return f"{path} is {text}"


def _save_source(world: World) -> str:
    """A person mends a file by hand."""
    path = world.random.choice(tuple(world.sources.files))
    world.change_source(path, f"good {world.random.randint(1, 1000)}")
    world.asked("mended", world.kernels_of(path))
    return f"{path} is saved by a person"


def _run_playbook(world: World) -> str:
    to = world.random.choice(HEALERS)
    request = f"person-{world.clock.now:.6f}"
    args = {"request": request, "playbook": "tidy", "target": "web", "tier": 1, "by": "person", "vars": {}}
    return f"a person runs tidy on {to}" if world.person(to, "run", args) else "nobody to ask"


def _kill_worker(world: World) -> str:
    workers = [p for p in world.machine.processes.values() if p.name in ("worker", "step")]
    if not workers:
        return "no worker to kill"
    process = world.random.choice(workers)
    world.fault(process, "is killed")
    return f"kill the worker {process}"


def _crowd(world: World) -> str:
    """Somebody keeps the audit log and state.db from being written, for a moment."""
    span = world.random.uniform(0.01, 1.0)
    world.disk.busy_until = world.clock.now + span
    return f"the disk is busy for {span:.3f} s"


def _fill(world: World) -> str:
    span = world.random.uniform(0.1, 5.0)
    world.disk.full_until = world.clock.now + span
    return f"the disk is full for {span:.3f} s"


FAULTS: Final[tuple[tuple[float, Fault], ...]] = (
    (14, _kill),
    (3, kill_healers),
    (3, _kill_subset),
    (0.5, _kill_all),
    (8, _kill_executor),
    (8, _kill_newborn),
    (6, _crash),
    (10, _stop),
    (6, _pause),
    (1.5, _hang),
    (1, _stop_healers),
    (6, _lose_beats),
    (2, _deafen),
    (6, _late_beats),
    (5, _lose_commands),
    (5, _late_commands),
    (3, _repeat_commands),
    (1, _break_module),
    (0.7, _void_stop),
    (6, _kill_kernel),
    (3, _exit_kernel),
    (3, _kill_kernel_and),
    (1, _crash_loop),
    (1, _missing),
    (3, _person),
    (0.7, _stop_kernel),
    (1, _break_source),
    (0.3, _save_source),
    (1, _run_playbook),
    (1, _kill_worker),
    (0.7, _crowd),
    (0.4, _fill),
)

# What `--profile` names: the faults, and how many intervals apart they are on average.
PROFILES: Final[dict[str, tuple[tuple[tuple[float, Fault], ...], float]]] = {
    "all": (FAULTS, 1.0),
    "storm": (FAULTS, 0.2),
    "calm": (FAULTS, 20.0),
    "kills": (((6, _kill), (2, kill_healers), (2, _kill_subset)), 30.0),
    "stops": (((6, _stop_for_good), (2, _stop_healers)), 60.0),
    "newborns": (((1, _stop_newborn),), 60.0),
    "deaf": (((1, deafen_spawner),), 250.0),
    "kernels": (((4, _kill_kernel_behind), (2, _kill_kernel_and), (2, _kill_kernel), (1, _exit_kernel)), 30.0),
    "mends": (((4, _break_source), (3, _kill), (2, _kill_worker), (2, _kill_kernel), (1, _save_source)), 8.0),
    "runs": (((4, _run_playbook), (3, _kill), (2, _kill_worker), (1, kill_healers), (1, _fill), (1, _crash)), 2.0),
}
