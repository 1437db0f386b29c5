"""What the spawner says of a kernel's newest run, as the events that must have been, of which nobody told us."""

from typing import Final

from msgspec.structs import replace

from graced.core.kernels.state import Kernel
from graced.core.kernels.vocabulary import KernelEvent, RunBorn, RunEnded, RunFound
from graced.core.orders import Exit, Running

UNBORN: Final = "the spawner died during its birth"


def events(kernel: Kernel, running: Running, since: float = 0.0) -> tuple[KernelEvent, ...]:
    """In their order; () when it is what we have, or is older. `since`: from when on nobody could have told."""
    run, known = running.run, kernel.run.run
    if run.run < known:
        return ()
    if run.run > known:
        return (RunBorn(run),) if running.alive else _ended_unseen(kernel, running, since)
    if not running.alive:
        return _ended_unseen(kernel, running, since) if kernel.alive else ()
    return (RunFound(run, running.order),)


def _ended_unseen(kernel: Kernel, running: Running, since: float) -> tuple[KernelEvent, ...]:
    run = running.run
    if run.pid:
        return (RunEnded(run, running.exit or Exit(), since=since),)
    # A run that was announced and has no process: its spawner died in between, and the run before it is dead.
    unborn = RunEnded(run, running.exit or Exit(), text=UNBORN, since=since)
    if not kernel.alive or kernel.run.run >= run.run:
        return (unborn,)
    same = kernel.run.run == run.run - 1
    before = replace(run, run=run.run - 1, pid=kernel.run.pid if same else 0)
    return (RunEnded(before, running.exit or Exit(), since=since), unborn)
