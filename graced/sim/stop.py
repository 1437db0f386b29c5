"""`graced stop` in the simulator: announced first, then no more births, then everything ends, swept until empty.

As in graced.control: whoever takes a restart lock obeys the announcement; a stop that dies midway is void, and healing
resumes.
"""

from typing import TYPE_CHECKING, Final

from graced.sim.breach import Breach
from graced.spec.roles import MEMBERS

if TYPE_CHECKING:
    from graced.sim.world import World

LOCK_RETRY_S: Final = 0.005
SWEEP_S: Final = 0.02
EMPTY_S: Final = 0.3  # nothing of graced seen for so long: it is over
QUIET_S: Final = 2.0  # then nothing may come to life any more
LIMIT_S: Final = 5.0
KERNEL_S: Final = 0.02  # at most, from one kernel's end to the next one's
PERSON: Final = -1  # pid of the process that stops, in the lock


class Stop:
    """One `graced stop`, from its announcement. `run` returns when nothing is left; a Breach when something is."""

    def __init__(self, world: "World") -> None:
        self.world = world
        world.announce_stop()
        world.tell("a person stops graced")

    def run(self) -> None:
        world = self.world
        end = world.clock.now + LIMIT_S
        while not self._lock():
            self._pass(LOCK_RETRY_S, end)
        for kernel in tuple(world.kernels.values()):  # one after the other, with the spawner there
            world.machine.kill(kernel)
            self._pass(world.random.uniform(0.0, KERNEL_S), end)
        for role in MEMBERS:  # the spawner first: no more births
            process = world.role_process(role)
            if process is not None:
                world.machine.kill(process)
            self._pass(world.random.uniform(0.0, 0.005), end)
        empty_since = world.clock.now
        while world.clock.now - empty_since < EMPTY_S:
            for process in tuple(world.machine.processes.values()):
                world.machine.kill(process)
                empty_since = world.clock.now
            self._pass(SWEEP_S, end)
        world.machine.restart_locks.clear()
        world.clock.run_until(world.clock.now + QUIET_S)
        if world.machine.processes:
            raise Breach("stop", f"{list(world.machine.processes.values())} came to life after a stop")

    def _lock(self) -> bool:
        """Hold the spawner's restart lock; a holder that is stopped is killed."""
        locks, machine = self.world.machine.restart_locks, self.world.machine
        holder = machine.processes.get(locks.get("spawner", 0))
        if holder is None:
            locks["spawner"] = PERSON
            return True
        if holder.life == "stopped":
            machine.kill(holder)
        return False

    def _pass(self, seconds: float, end: float) -> None:
        self.world.clock.run_until(self.world.clock.now + seconds)
        if self.world.clock.now > end:
            raise Breach("stop", f"not stopped within {LIMIT_S:g} s: {list(self.world.machine.processes.values())}")
