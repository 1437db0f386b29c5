"""One member process in the simulator: the Shell and the Duty that ship, over a simulated outside, turn by turn."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from graced.core.state import INFINITY, State, Stepped
from graced.core.vocabulary import Beat, Event, LeaseGiven, LeaseTaken, Ready, StepDone
from graced.home.locks import LockRecord
from graced.members.birth import Newborn
from graced.members.duty import Duty
from graced.members.process import begin, load_duty
from graced.members.shell import LOST_EXIT, Shell
from graced.members.spawner import Spawner
from graced.sim.breach import Breach
from graced.sim.machine import Process
from graced.sim.outside import Bus, Killed, Simulated

if TYPE_CHECKING:
    from graced.sim.world import World

BOOT_S: Final = (0.002, 0.006)  # from the fork to the try for the role lock
CLAIM_RETRY_S: Final = 0.004
CLAIM_PATIENCE_S: Final = 0.2
LOOP_S: Final = 0.0001  # from what comes to the turn of the loop that takes it
GRAIN_S: Final = 0.0003  # poll(2) counts milliseconds: no timer is met exactly


class Member:
    """`linked`: its sockets are connected both ways. `crash_in`: touches that are left before it dies; -1: it lives."""

    def __init__(self, world: "World", process: Process, birth: Newborn) -> None:
        self.world, self.process, self.birth = world, process, birth
        self.role = birth.role
        process.member = self
        self.shell: Shell
        self.outside: Simulated
        self.bus = Bus(self)
        self.linked = False
        self.crash_in = -1
        self.last_words = ""
        self.heard_at: dict[int, float] = {}  # pid -> when it was last heard; for the checkers, the core has its own
        self.gaps: dict[int, tuple[float, float]] = {}  # pid -> the last long silence, and when it ended
        self.revoked: dict[str, float] = {}  # incident -> when its powers were given back
        self.claimed = self.came_up = self.struck = self.begun = False
        self._due = INFINITY
        self._timer = INFINITY
        self._woken = False

    def __repr__(self) -> str:
        return repr(self.process)

    @property
    def core(self) -> State:
        return self.shell.state

    @property
    def duty(self) -> Duty:
        return self.shell.duty

    # --- birth

    def boot(self, delay: float | None = None) -> None:
        clock = self.world.clock
        delay = self.world.random.uniform(*BOOT_S) if delay is None else delay
        clock.after(delay, self._claim, clock.now + delay + CLAIM_PATIENCE_S)

    def _claim(self, give_up: float) -> None:
        world = self.world
        if not self.process.alive:
            return
        if self.process.life != "running":
            world.clock.after(CLAIM_RETRY_S, self._claim, give_up)
        elif self.role in world.broken:
            world.end(self.process, 70, f"{self.role} cannot be imported")
        elif world.machine.claim(self.role, self.process):
            self._guarded(self._be)
        elif world.clock.now >= give_up:
            world.end(self.process, LOST_EXIT, "the role is held by another")
        else:
            world.clock.after(CLAIM_RETRY_S, self._claim, give_up)

    def _be(self) -> None:
        world, process, role = self.world, self.process, self.role
        record = world.machine.records.get(role)
        incarnation = 1 + max(record.incarnation if record is not None else 0, self.birth.floor)
        world.machine.records[role] = LockRecord.of(process.identity, incarnation)
        self.outside = Simulated(self)
        self.claimed = True
        world.claimed(self, incarnation)
        world.wires.bind(self)
        begin(self.outside, incarnation, self.birth, self._duty_for)
        self.begun = True

    def _duty_for(self, shell: Shell) -> Duty:
        """By the table that ships; called when the shell is there and nothing has been read yet."""
        self.shell = shell
        step = shell.step
        shell.step = lambda state, event, now: self._stepped(step, state, event, now)
        if self.role != "spawner":
            return load_duty(self.role)(shell)
        spawner = Spawner(shell)
        spawner.fresh = self.birth.fresh
        return spawner

    # --- turns

    def came(self, call: Callable[[], None]) -> None:
        """Something for `dispatch`."""
        self.outside.calls.append(call)
        self.wake()

    def signalled(self, number: int) -> None:
        if self.process.alive and self.claimed:
            self.outside.signals.add(number)
            self.wake()

    def wake(self) -> None:
        """Something came: the loop turns in a moment, if it turns at all."""
        if not self._woken and self.begun and self.process.life == "running":
            self._woken = True
            self.world.clock.after(LOOP_S, self._turn)

    def _turn(self) -> None:
        self._woken = False
        if self.process.life == "running":
            self._guarded(self._one_turn)

    def _one_turn(self) -> None:
        self.shell.turn(self._due, self.outside.came())

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Killed:
            self.world.fault(self.process, "dies midway")
            return
        except Breach:
            raise
        except Exception as error:
            import traceback

            told = traceback.format_exc().splitlines()[-7:]
            raise Breach("crash", f"{self}: {type(error).__name__}: {error}\n" + "\n".join(told)) from error
        if not self.process.alive:
            return
        if self.shell.exit_code is not None:
            self.world.exited(self, self.shell.exit_code)
            return
        self._due = self.shell.due()
        self._set_timer()
        if self.outside.came():
            self.wake()

    def _set_timer(self) -> None:
        at = max(self._due, self.world.clock.now) + GRAIN_S
        if at < self._timer:
            self._timer = at
            self.world.clock.at(at, self._timed, at)

    def _timed(self, at: float) -> None:
        if at != self._timer:
            return
        self._timer = INFINITY
        if self.process.life != "running" or self._woken:
            return
        if self.world.clock.now >= self._due:
            self._turn()
        else:
            self._set_timer()

    def touch(self) -> None:
        """It does something to the world: counts down to a death between two effects."""
        if self.crash_in >= 0:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise Killed

    # --- for the checkers

    def note_heard(self, beat: Beat) -> None:
        pid, now = beat.pid, self.world.clock.now
        last = self.heard_at.get(pid)
        if last is not None and now - last > self.world.timing.timeout / 2:
            self.gaps[pid] = (now - last, now)
        self.heard_at[pid] = now

    def _stepped(
        self, step: Callable[[State, Event, float], Stepped], state: State, event: Event, now: float
    ) -> Stepped:
        stepped = step(state, event, now)
        world = self.world
        if world.trace is not None:
            world.trace(self, event, stepped[1])
        if isinstance(event, StepDone) and event.ok and event.run in state.runs:  # a rung may start its kernel anew
            world.asked("mended", state.runs[event.run].targets)
        if isinstance(event, (LeaseGiven, LeaseTaken, Ready)):
            world.clock.after(0.0, self._tell_checks, event)
        return stepped

    def _tell_checks(self, event: Event) -> None:
        """After the turn, when the shell has the new state."""
        if isinstance(event, Ready):
            self.came_up = True
            if self.process.alive:
                self.world.became_ready(self)
        elif isinstance(event, LeaseTaken):
            self.revoked[event.incident] = self.world.clock.now
        if self.process.alive and isinstance(event, (LeaseGiven, LeaseTaken)):
            self.world.leased(self)
