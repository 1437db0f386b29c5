"""Why a simulated home is not at rest: what must be true some time after the last fault."""

from typing import TYPE_CHECKING, Any, Final

from graced.core.kernels import readiness
from graced.core.kernels.state import Done, Failed, Up
from graced.members.self_healing import SelfHealing
from graced.members.spawner import Spawner
from graced.spec.roles import MEMBERS
from graced.store import tables

if TYPE_CHECKING:
    from graced.sim.member import Member
    from graced.sim.world import World

OVER: Final = frozenset({"done", "failed", "undone", "suggested"})


def unsettled(world: "World") -> str:
    """In words; empty when all is as it should be."""
    return unsettled_members(world) or unsettled_kernels(world) or unsettled_tasks(world) or unsettled_runs(world)


def unsettled_members(world: "World") -> str:
    for role in MEMBERS:
        member = world.wires.bound.get(role)
        if member is None or not member.begun:
            return f"{role} is not there"
        why = unrest(member, world)
        if why:
            return f"{member}: {why}"
    # (A stopped one is no harm: when it goes on it finds its role taken and ends.)
    losers = [m for m in world.members.values() if not m.claimed and m.process.life == "running"]
    if losers:
        return f"processes without a role are left: {losers}"
    if world.machine.restart_locks:
        return f"restart locks are held: {world.machine.restart_locks}"
    return ""


def unrest(member: "Member", world: "World") -> str:
    """Why one member is not at rest."""
    core = member.core
    if member.process.life != "running":
        return member.process.life
    if not core.ready:
        return "is not ready"
    for peer in core.peers.values():
        actual = world.wires.bound.get(peer.name)
        if peer.state != "healthy" or actual is None or peer.pid != actual.process.pid:
            return f"holds {peer.name} for {peer.state} {peer.evidence} (pid {peer.pid})"
    recoveries = {id: run for id, run in core.runs.items() if run.dead}
    left: dict[str, Any] = {
        "recoveries": recoveries, "restarts": core.restarts, "votes": core.votes, "grants": core.grants,
        "powers": core.held, "an emergency": core.emergency,
    }  # fmt: skip
    return next((f"has {what} left: {value}" for what, value in left.items() if value), "")


def unsettled_kernels(world: "World") -> str:
    healing = world.wires.bound["self_healing"].duty
    assert isinstance(healing, SelfHealing)
    if healing._synced != world.wires.bound["spawner"].shell.incarnation:
        return "self_healing is not in step with the spawner"
    spawner = world.wires.bound["spawner"].duty
    assert isinstance(spawner, Spawner)
    for name, kernel in ((name, healing.kernels[name]) for name in healing.kernels):
        process = world.kernels.get(name)
        believed = kernel.run.pid if kernel.alive else 0
        if (process.pid if process else 0) != believed:
            return f"{name} is {process}, self_healing believes pid {believed}"
        needs = [healing.kernels[d.name] for d in kernel.spec.depends_on]
        may_run = kernel.alive or all(readiness.satisfied(need) for need in needs)
        due = kernel.wanted and not isinstance(kernel.phase, (Failed, Done)) and may_run
        if due and process is None:
            return f"{name} is wanted and not alive ({kernel.phase}: {kernel.reason})"
        if not due and process is not None:
            return f"{name} is not wanted and alive ({kernel.phase})"
        if kernel.alive and spawner.nursery.runs[name].order != kernel.order:
            return f"the spawner holds another order for {name} than {kernel.order}"
        if isinstance(kernel.phase, Up) and not kernel.phase.ready and kernel.spec.ready.when == "started":
            return f"{name} is alive and not ready"
    return ""


def unsettled_tasks(world: "World") -> str:
    for task in tables.tasks(world.reader):
        if task.state not in OVER:
            return f"task {task.id} of {task.path} is {task.state}"
    return ""


def unsettled_runs(world: "World") -> str:
    for member in world.wires.bound.values():
        if member.outside.audit.pending or member.outside.store.pending:
            return f"{member} has not written everything"
    left = tables.open_runs(world.reader)
    if left:
        return f"runs are left in the store: {[run.id for run in left]}"
    if world.machine.target_locks:
        return f"locks of targets are held: {world.machine.target_locks}"
    return ""
