"""What is measured of graced, part by part. Times are of CLOCK_MONOTONIC, in this process."""

import os
import random
import signal
import time
from typing import Any

from cost import idle
from figures import figures
from subject import Graced
from words import Program

from graced.spec.roles import HEALERS

DEFAULT: dict[str, str] = {}
QUICK = {"heartbeat_interval": "100ms", "heartbeat_timeout": "1s", "check_interval": "1s", "emergency_confirm": "1s"}
GAP_S = 0.15
JITTER_S = 0.2
"""So that kills come at every phase of the heartbeat."""


def measure(folder: str, kills: int, healers: int, idle_s: float) -> dict[str, Any]:
    """At the default interval of 1 s, but for what needs a stopped member to be replaced many times (100 ms)."""
    found: dict[str, Any] = {"bare program": figures(_bare(folder, kills))}
    graced = Graced(os.path.join(folder, "default"), DEFAULT)
    try:
        graced.start()
        found["cold_start_ms"] = graced.cold
        time.sleep(1.0)
        found["idle"] = idle(graced.pids(), idle_s)
        few = max(1, healers // 5)
        found["kernel"] = figures([_kill_kernel(graced) for _ in range(kills)])
        found["healer"] = figures([_kill(graced, HEALERS[i % 2]) for i in range(healers)])
        found["both healers"] = figures([_kill(graced, *HEALERS) for _ in range(few)])
        found["trigger"] = figures([_kill(graced, "trigger") for _ in range(few)])
        found["spawner"] = figures([_kill(graced, "spawner") for _ in range(few)])
    finally:
        graced.stop()
    graced = Graced(os.path.join(folder, "quick"), QUICK)
    try:
        graced.start()
        n = max(1, kills // 4)
        found["kernel, self_healing killed"] = figures([_with(graced, signal.SIGKILL) for _ in range(n)])
        found["kernel, self_healing stopped"] = figures([_with(graced, signal.SIGSTOP) for _ in range(n)])
    finally:
        graced.stop()
    return found


def _bare(folder: str, times: int) -> list[float]:
    program = Program(folder)
    try:
        return [program.bare() for _ in range(times)]
    finally:
        program.close()


def _pause() -> None:
    time.sleep(GAP_S + random.random() * JITTER_S)


def _kill_kernel(graced: Graced) -> float:
    _pause()
    return graced.program.kill()


def _kill(graced: Graced, *members: str) -> float:
    took = graced.kill_heard(*members)
    _pause()
    graced.settle()
    return took


def _with(graced: Graced, sig: int) -> float:
    """Kill the kernel in the same instant in which self_healing is killed or stopped."""
    pid = graced.pid("self_healing")
    took = graced.program.kill(lambda: os.kill(pid, sig))
    while graced.pid("self_healing") == pid:
        time.sleep(0.01)
    graced.settle()
    _pause()
    return took
