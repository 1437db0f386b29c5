"""What is done to graced in the tour, one act after the other, and what is measured of its recovery."""

import os
import signal
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from graced.audit.read import records
from graced.demo import told
from graced.demo.kernels import RATES_PY, broken
from graced.demo.stage import GLANCE_S, Stage
from graced.spec.roles import HEALERS, MEMBERS
from graced.status.disk import reader
from graced.status.structs import WELL, Status
from graced.store.tables import tasks

PATIENCE_S: Final = 10.0
"""A recovery that takes longer has failed; they take a fraction of a second."""

EMERGENCY_TRIES: Final = 5

SURVIVOR: Final = "architect"
"""Of the act that leaves only one: the member that has least to do with recovery."""


class Outcome(NamedTuple):
    """`seconds` from the signal to healthy by status; None: not within PATIENCE_S, or not as it should be."""

    seconds: float | None
    text: str


class Act(NamedTuple):
    title: str
    perform: Callable[[Stage], Outcome]


# --- members


def _signal(sig: int, *members: str) -> Callable[[Stage], Outcome]:
    return lambda stage: _signalled(stage, sig, members)


def _signalled(stage: Stage, sig: int, members: tuple[str, ...]) -> Outcome:
    before = stage.look()
    old = {member: stage.incarnation(member) for member in members}
    kernels = {name: stage.kernel_pid(name) for name in before.kernels}
    pids = [before.members[member].pid for member in members]
    began = time.monotonic()
    for pid in filter(None, pids):
        os.kill(pid, sig)
    deadline = began + PATIENCE_S

    def back(found: Status) -> bool:
        return found.healthy and all(found.members[m].incarnation > old[m] for m in members)

    while time.monotonic() < deadline and any(stage.incarnation(m) == old[m] for m in members):
        time.sleep(GLANCE_S)
    found = stage.until(back, deadline)
    seconds = time.monotonic() - began
    if found is None:
        return Outcome(None, _unwell(stage.look()))
    moved = [name for name, pid in kernels.items() if stage.kernel_pid(name) != pid]
    if moved:
        return Outcome(None, f"but {', '.join(moved)} did not keep its pid")
    return Outcome(seconds, told.of_members(records(stage.home.audit, before.audit.records + 1), members))


def _kill_healers(stage: Stage) -> Outcome:
    """Both at one moment. A busy machine may put this process aside between the two signals, and the first is back by
    then: that was no emergency, and it is tried again."""
    emergencies = stage.look().recoveries.emergency
    for _ in range(EMERGENCY_TRIES):
        outcome = _signalled(stage, signal.SIGKILL, HEALERS)
        if outcome.seconds is None or stage.look().recoveries.emergency > emergencies:
            return outcome
    return Outcome(None, "but it was no emergency")


def _unwell(found: Status) -> str:
    states: dict[str, str] = {name: member.state for name, member in found.members.items()}
    states |= {name: kernel.state for name, kernel in found.kernels.items()}
    unwell = [f"{name} is {state}" for name, state in states.items() if state not in WELL]
    return f"not healthy within {PATIENCE_S:g} s: {', '.join(unwell) or found.mode}"


# --- kernels and their code


def _kill_worker(stage: Stage) -> Outcome:
    old = stage.kernel_pid("worker")
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    deadline = began + PATIENCE_S
    while (new := stage.kernel_pid("worker")) in (0, old) and time.monotonic() < deadline:
        time.sleep(GLANCE_S / 10)
    born = time.monotonic() - began
    found = stage.until(lambda found: found.healthy and found.kernels["worker"].pid == new, deadline)
    if found is None:
        return Outcome(None, _unwell(stage.look()))
    return Outcome(time.monotonic() - began, f"pid {new} in place of {old}, {born * 1000:.1f} ms after the signal")


def _break_code(stage: Stage) -> Outcome:
    path = os.path.join(stage.shop, "rates.py")
    run = stage.look().kernels["worker"].run
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(broken(RATES_PY))
    os.replace(path + ".new", path)
    began = time.monotonic()
    os.kill(stage.kernel_pid("worker"), signal.SIGKILL)
    count = stage.number("count")

    def mended() -> bool:
        with open(path, "rb") as file:
            return file.read() == RATES_PY.encode()

    def back(found: Status) -> bool:
        counts = stage.number("count") > count and found.kernels["worker"].run > run
        return mended() and counts and found.healthy and found.tasks.done > 0

    found = stage.until(back, began + PATIENCE_S)
    seconds = time.monotonic() - began
    if found is None:
        return Outcome(None, "the file was not mended" if not mended() else _unwell(stage.look()))
    crashes = found.kernels["worker"].run - run - 1
    times = f"{crashes} crash{'' if crashes == 1 else 'es'}"
    return Outcome(seconds, f"task {_task(stage, path)}: coding_agent mended it byte for byte, {times}")


def _task(stage: Stage, path: str) -> str:
    store = reader(stage.home)
    try:
        return next((task.id for task in tasks(store) if os.path.samefile(task.path, path)), "")
    finally:
        store.close()


ACTS: Final = (
    Act("kill -9 self_healing", _signal(signal.SIGKILL, "self_healing")),
    Act("kill -9 coding_agent", _signal(signal.SIGKILL, "coding_agent")),
    Act("kill -9 both healers", _kill_healers),
    Act("kill -9 watchdog", _signal(signal.SIGKILL, "watchdog")),
    Act("kill -9 spawner", _signal(signal.SIGKILL, "spawner")),
    Act("kill -STOP self_healing", _signal(signal.SIGSTOP, "self_healing")),
    Act(f"kill -9 all but {SURVIVOR}", _signal(signal.SIGKILL, *(m for m in MEMBERS if m != SURVIVOR))),
    Act("kill -9 the worker", _kill_worker),
    Act("break its code, kill it", _break_code),
)
