"""Runs inside the rig: does things to graced.service and prints, as one JSON object, what became of it.

usage: python3 inside.py SCENARIO TIMES. Nothing of graced is imported: only what any user of the machine can see.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

UNIT = "graced.service"
HOME = os.environ.get("RIG_HOME", "/var/lib/graced")
CGROUP = f"/sys/fs/cgroup/system.slice/{UNIT}"
PORT = ("127.0.0.1", 8123)
MEMBERS = ("watchdog", "self_healing", "coding_agent", "trigger", "parliament", "architect")
WELL_S = 30.0
POLL_S = 0.01


# --- what is seen


def show(*names: str) -> list[str]:
    argv = ["systemctl", "show", UNIT, *(f"--property={name}" for name in names)]
    found = dict(line.partition("=")[::2] for line in subprocess.check_output(argv, text=True).splitlines())
    return [found.get(name, "") for name in names]


def main_pid() -> int:
    return int(show("MainPID")[0] or 0)


def procs() -> list[int]:
    found: list[int] = []
    for here, _, _ in os.walk(CGROUP):
        with contextlib.suppress(OSError), open(f"{here}/cgroup.procs") as file:
            found += [int(line) for line in file]
    return found


def environ(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return dict(e.decode().partition("=")[::2] for e in file.read().split(b"\0") if b"=" in e)
    except OSError:
        return {}


def session_leader(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def kernels() -> dict[str, int]:
    """The first process of each kernel, as it is in the unit's cgroup. Two of one kernel: its name with a `!`."""
    found: dict[str, int] = {}
    for pid in procs():
        name = environ(pid).get("GRACED_KERNEL")
        if name and session_leader(pid):
            found[f"{name}!" if name in found else name] = pid
    return found


def record(role: str) -> dict[str, Any]:
    with open(f"{HOME}/run/{role}.lock") as file:
        return dict(json.loads(file.read()))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def whole() -> bool:
    """Seven members live, each in its lock file, and the spawner is the main process of an active unit."""
    try:
        holders = {role: record(role)["pid"] for role in ("spawner", *MEMBERS)}
    except (OSError, ValueError, KeyError):
        return False
    if not all(alive(pid) for pid in holders.values()):
        return False
    state, main = show("ActiveState", "MainPID")
    return state == "active" and int(main) == holders["spawner"]


def until(condition: Callable[[], bool], limit_s: float = WELL_S, pause_s: float = POLL_S) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            raise TimeoutError(f"not within {limit_s:g} s: {describe()}")
        time.sleep(pause_s)
    return time.monotonic() - began


def describe() -> str:
    argv = ["systemctl", "status", "--no-pager", "-n", "15", UNIT]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def start() -> None:
    subprocess.run(["systemctl", "start", UNIT], check=True)
    until(whole)


class Clients:
    """Connects every few milliseconds; a connection that is refused or not answered counts."""

    def __init__(self) -> None:
        self.made = self.refused = self.unanswered = 0
        self.slowest_s = 0.0
        self.over = False
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Clients":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.thread.join()

    def _run(self) -> None:
        while not self.over:
            began = time.monotonic()
            try:
                with socket.create_connection(PORT, timeout=20) as channel:
                    self.made += 1
                    answer = channel.recv(64)  # a kernel that is killed with a client in its hand drops that one
                    self.unanswered += not answer
            except ConnectionRefusedError:
                self.refused += 1
            except OSError:
                self.unanswered += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            time.sleep(0.002)

    def told(self) -> dict[str, Any]:
        return {
            "connections": self.made,
            "refused": self.refused,
            "unanswered": self.unanswered,
            "slowest_s": round(self.slowest_s, 3),
        }


# --- what is done


def ready_ms(since: float) -> float:
    """From `since` (monotonic) to the moment when systemd took READY=1."""
    stamp = int(show("ActiveEnterTimestampMonotonic")[0])
    return round(stamp / 1000 - since * 1000, 1)


def disturb(act: Callable[[], float]) -> dict[str, Any]:
    """Does it, waits until all is whole; kernels must be the same."""
    before, main, restarts = kernels(), main_pid(), int(show("NRestarts")[0])
    since = act()
    well = until(whole)
    return {
        "kept": kernels() == before,
        "new_main": main_pid() != main,
        "well_s": round(well, 3),
        "ready_ms": ready_ms(since),
        "restarts": int(show("NRestarts")[0]) - restarts,
    }


def kill(roles: list[str], number: int = signal.SIGKILL) -> Callable[[], float]:
    def act() -> float:
        pids = [record(role)["pid"] for role in roles]
        since = time.monotonic()
        for pid in pids:
            os.kill(pid, number)
        if number == signal.SIGKILL:
            until(lambda: not any(map(alive, pids)), pause_s=0.001)
        return since

    return act


def kill_main() -> dict[str, Any]:
    return disturb(kill(["spawner"]))


def kill_some(with_main: bool) -> dict[str, Any]:
    some = random.sample(MEMBERS, random.randint(1, len(MEMBERS) - 1))
    found = disturb(kill(["spawner", *some] if with_main else some))
    return {**found, "killed": some}


def stop_main() -> dict[str, Any]:
    main = main_pid()

    def act() -> float:
        since = kill(["spawner"], signal.SIGSTOP)()
        until(lambda: not alive(main))
        return since

    return disturb(act)


def systemctl(*words: str) -> Callable[[], float]:
    def act() -> float:
        since = time.monotonic()
        subprocess.run(["systemctl", *words], check=True)
        return since

    return act


def kill_kernel() -> dict[str, Any]:
    """The kernel with the socket: its own death is what a client is likeliest to notice."""
    web = kernels()["web"]
    os.kill(web, signal.SIGKILL)
    return {"well_s": until(lambda: kernels().get("web", web) != web)}


def stopped(before: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """`systemctl stop`: what is left when it returns, and a second later; then it is started again."""
    everyone = procs()
    before()
    began = time.monotonic()
    subprocess.run(["systemctl", "stop", UNIT], check=True)
    took = time.monotonic() - began
    left = [pid for pid in everyone if alive(pid)] + procs()
    time.sleep(1.0)
    later = [pid for pid in everyone if alive(pid)] + procs()
    state = show("ActiveState")[0]
    row = {"stop_s": round(took, 3), "left": len(left), "left_later": len(later), "state": state}
    start()
    return row


def stop_after_kill() -> dict[str, Any]:
    def act() -> None:
        os.kill(main_pid(), signal.SIGKILL)
        time.sleep(random.uniform(0, 0.09))

    return stopped(act)


SCENARIOS: dict[str, Callable[[], dict[str, Any]]] = {
    "kill_main": kill_main,
    "kill_members": lambda: kill_some(False),
    "kill_members_and_main": lambda: kill_some(True),
    "kill_all": lambda: disturb(kill(["spawner", *MEMBERS])),
    "kill_kernel": kill_kernel,
    "stop_main": stop_main,
    "restart": lambda: disturb(systemctl("restart", UNIT)),
    "reexec": lambda: disturb(systemctl("daemon-reexec")),
    "stop": stopped,
    "stop_after_kill": stop_after_kill,
}
ENDING = ("stop", "stop_after_kill")
"""Nothing is held over a stop."""


def rows(name: str, times: int) -> Iterator[dict[str, Any]]:
    for _ in range(times):
        try:
            yield SCENARIOS[name]()
        except Exception as error:
            yield {"error": f"{type(error).__name__}: {error}"}
            subprocess.run(["systemctl", "reset-failed", UNIT], check=False)
            start()


def main() -> None:
    name, times = sys.argv[1], int(sys.argv[2])
    start()
    if name in ENDING:
        print(json.dumps({"rows": list(rows(name, times)), "clients": None}))
        return
    with Clients() as clients:
        found = list(rows(name, times))
    print(json.dumps({"rows": found, "clients": clients.told()}))


if __name__ == "__main__":
    main()
