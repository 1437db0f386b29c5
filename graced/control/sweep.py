"""What graced-sweep.service does at its stop: ends what graced.service has left in its cgroup.

`systemctl stop` ends the main process alone (KillMode=process, without which no kernel would outlive a crash). A main
process that lives ends everything itself; one that was killed a moment before the stop cannot. The guard is essential:
systemd stops the sweep also on a watchdog timeout or a restart, and then kernels must live.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Final

from graced.posix import cgroup

UNIT: Final = "graced.service"
OVER: Final = ("inactive", "failed")
ASK_S: Final = 10.0
POLITE_S: Final = 0.4
"""For kernels that no main process could stop in order; all is gone within a second."""

KILL_S: Final = 10.0
POLL_S: Final = 0.005


def sweep(root: str, of_user: bool) -> int:
    """The exit code. Nothing is done unless the unit is over and no job wants it otherwise."""
    if not over(of_user):
        return 0
    folder = _cgroup()
    if folder is None or not _pids(folder):
        _conclude(root)
        return 0
    _announce(root)
    for pid in _pids(folder):
        if _is_kernel(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    _wait(folder, POLITE_S, kernels_only=True)
    _kill(folder)
    left = _wait(folder, KILL_S)
    _conclude(root)
    if left:
        print(f"graced: cannot be ended: {', '.join(map(str, left))}", file=sys.stderr)
    return 1 if left else 0


def over(of_user: bool) -> bool:
    """Has the unit been stopped, or has it failed, and is nothing about to change that?"""
    argv = ["systemctl", *(["--user"] if of_user else []), "show", "-p", "ActiveState", "-p", "Job", UNIT]
    try:
        told = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    found = dict(line.partition("=")[::2] for line in told.splitlines())
    return found.get("ActiveState") in OVER and found.get("Job", "0") in ("", "0")


def _cgroup() -> str | None:
    """The folder of the unit's cgroup: beside our own, or where the sweep is run by hand, by its usual name."""
    mine = cgroup.own()
    if mine is None:
        return None
    folder = os.path.join(os.path.dirname(mine), UNIT)
    return folder if os.path.isdir(folder) else None


def _pids(folder: str) -> list[int]:
    """Everyone in it and below it, by the file that names them."""
    found: list[int] = []
    for here, _, _ in os.walk(folder):
        with contextlib.suppress(OSError), open(os.path.join(here, "cgroup.procs")) as file:
            found += [int(line) for line in file]
    return [pid for pid in found if pid not in (0, os.getpid())]


def _is_kernel(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0GRACED_KERNEL=" in b"\0" + file.read()
    except OSError:
        return False


def _wait(folder: str, limit_s: float, kernels_only: bool = False) -> list[int]:
    """Until nobody (no kernel) is left; who is."""
    give_up = time.monotonic() + limit_s
    while True:
        left = [pid for pid in _pids(folder) if not kernels_only or _is_kernel(pid)]
        if not left or time.monotonic() >= give_up:
            return left
        time.sleep(POLL_S)


def _kill(folder: str) -> None:
    try:
        with open(os.path.join(folder, "cgroup.kill"), "w") as file:
            file.write("1")
    except OSError:  # before Linux 5.14: until nobody is left
        give_up = time.monotonic() + KILL_S
        while (left := _pids(folder)) and time.monotonic() < give_up:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _announce(root: str) -> None:
    from graced.home.paths import Home
    from graced.home.stopping import announce

    with contextlib.suppress(OSError):
        announce(Home(root))


def _conclude(root: str) -> None:
    """What starts next starts from graced.yaml."""
    from graced.home.paths import Home
    from graced.home.stopping import conclude

    if os.path.isdir(os.path.join(root, "run")):
        with contextlib.suppress(OSError):
            conclude(Home(root))
