"""One seed from its start to its end, and many seeds on all cores."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

from msgspec import Struct

from graced.playbooks.load import load_text, shipped
from graced.sim.breach import Breach
from graced.sim.checks import all_checks
from graced.sim.checks.times import Times
from graced.sim.faults import PROFILES, Fault
from graced.sim.home import PERSONS
from graced.sim.rest import unsettled, unsettled_members
from graced.sim.stop import Stop
from graced.sim.trace import tracer
from graced.sim.world import World
from graced.spec.playbook import Playbook
from graced.spec.roles import MEMBERS

FAULTS_A_SEED: Final = 100
START_S: Final = 5.0  # a first start is over by then
EXTRA_S: Final = 1.5  # for births, a cold spawner among them
FACT_INTERVALS: Final = 12.0  # a stopped member takes four to be known, its watcher may be stopped too, and so on

WORK_S: Final = 660.0  # for kernels' ladders, tasks with their trials, playbooks: a rung may take its ten minutes

COLLECT_EVERY: Final = 100_000  # objects that are made and kept

STOPS_SHARE: Final = 0.2  # of the seeds end in a `graced stop` in the midst of the recoveries

Table = tuple[tuple[float, Fault], ...]


class Outcome(Struct, frozen=True):
    """What one seed did. `breach` is empty when every invariant held; times in seconds of virtual time.

    `settled_s`: from the last fault to rest; None when a `graced stop` ended it, or a breach.
    """

    seed: int
    faults: int
    breach: str
    settled_s: float | None
    recoveries_s: tuple[float, ...]
    virtual_s: float


@cache
def playbooks() -> dict[str, Playbook]:
    """Those that ship, and one of a person's."""
    tidy = load_text(PERSONS, "tidy.yaml")
    return {**shipped(), tidy.name: tidy}


def simulate(
    seed: int, faults: int = FAULTS_A_SEED, profile: str = "all", *, say: Callable[[str], None] | None = None,
) -> Outcome:  # fmt: skip
    """Run one seed: a start, `faults` faults of a profile, then rest. A breach is told, not raised."""
    table, spacing = PROFILES[profile]
    checks = all_checks()
    world = World(seed, playbooks(), checks)
    if say is not None:
        tracer(world, say)
    done, settled, breach = 0, None, ""
    try:
        _begin(world)
        for done in range(1, faults + 1):  # noqa: B007
            _strike_one(world, table, spacing)
        if world.random.random() < STOPS_SHARE:
            Stop(world).run()
        else:
            settled = _rest(world)
    except Breach as found:
        breach = str(found)
    times = next(c for c in checks if isinstance(c, Times))
    return Outcome(seed, done, breach, settled, tuple(times.recoveries), world.clock.now - 1000.0)


def _begin(world: World) -> None:
    world.keep_rounds()
    world.start()
    if world.random.random() < 0.3:
        return  # the faults begin during the first start
    end = world.clock.now + START_S + 5 * world.timing.interval
    while any(role not in world.wires.bound for role in MEMBERS) and world.clock.now < end:
        world.clock.run_until(world.clock.now + world.timing.interval)


def _strike_one(world: World, table: Table, spacing: float) -> None:
    gap = world.random.expovariate(1.0) * spacing * world.timing.interval
    world.clock.run_until(world.clock.now + gap)
    fault = world.random.choices([f for _, f in table], [w for w, _ in table])[0]
    text = fault(world)
    world.tell(f"FAULT {text}")


def bound_s(world: World) -> float:
    """How long after the last fault everything may take to be healthy.

    What died or is stopped is known by facts, in a few intervals. What hangs, or is not heard, takes the timeout and,
    for both healers, the confirmation; a member that could not be imported, its backoff.
    """
    timing = world.timing
    facts = EXTRA_S + FACT_INTERVALS * timing.interval
    facts += max((d.until - world.clock.now for d in world.wires.disturbances), default=0.0)
    hung = any(m.process.life == "hung" for m in world.members.values())
    if hung or world.wires.disturbances or world.broken:
        return facts + timing.timeout + timing.confirm
    return facts


def _rest(world: World) -> float:
    """No more faults: wait for the end of all recoveries. Seconds that the members took; Breach when it is too long."""
    began = world.clock.now
    settled = _wait(world, began, bound_s(world), unsettled_members)
    _wait(world, began, bound_s(world) + WORK_S, unsettled)
    for check in world.checks:
        check.settled()
    return settled


def _wait(world: World, began: float, bound: float, unrest: Callable[[World], str]) -> float:
    while True:
        world.clock.run_until(world.clock.now + world.timing.interval / 2)
        why = unrest(world)
        if not why:
            return world.clock.now - began
        if world.clock.now > began + bound:
            raise Breach("recovery", f"not at rest {world.clock.now - began:.1f} s after the last fault: {why}")


def simulate_many(
    seeds: Iterable[int], faults: int = FAULTS_A_SEED, profile: str = "all", jobs: int = 0
) -> Iterator[Outcome]:
    """Outcomes as they come, from `jobs` processes (0: one a core)."""
    import multiprocessing

    jobs = jobs or os.cpu_count() or 1
    work = [(seed, faults, profile) for seed in seeds]
    if jobs == 1:
        _collect_seldom()
        yield from map(_one, work)
        return
    with multiprocessing.get_context("fork").Pool(jobs, _collect_seldom) as pool:
        yield from pool.imap_unordered(_one, work, chunksize=4)


def _collect_seldom() -> None:
    """A world is garbage in one piece, at its end: looking for it all the time costs a tenth of everything."""
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 20)


def _one(work: tuple[int, int, str]) -> Outcome:
    return simulate(*work)
