"""The first milliseconds of a spawner that systemd starts anew: hold the role, say READY, import the rest later.

Who finds the role held by another (a survivor was quicker) names that one as the main process, leaves with it the
descriptors that systemd gave, and ends. Everything before READY imports nothing but the interpreter's own modules.
"""

from __future__ import annotations

import os
import sys
import time

from graced.posix import notify
from graced.posix.files import read_small
from graced.posix.flock import open_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROLE_S = 0.2
"""A predecessor, or a kernel in the middle of its birth, may hold the role lock a few ms longer."""

RETRY_S = 0.004
SLOW_S = 1.0
"""systemd starts us again at once and for ever: whoever fails takes this long, so that it is no storm."""

LOST_EXIT = 75
RECORD_BYTES = 4096


def succeed(words: Sequence[str], environ: Mapping[str, str] = os.environ) -> int | None:
    """`graced start --foreground` under systemd. The exit code; None: it is a start from nothing, take the long way."""
    root = _home(words, environ)
    if root is None or not os.path.exists(os.path.join(root, "config")):
        return None
    if os.path.exists(os.path.join(root, "run", "stopping")):
        from graced.members.outer import restarted_by_itself

        if not restarted_by_itself():
            return None
        notify.say("READY=1", "STATUS=stopped by `graced stop`")  # without it, systemd calls this end a failure
        return 0
    return take_over(root) if _of_this_boot(root) else None


def take_over(root: str) -> int:
    """Be the spawner of a home that was left without one in this boot, or point to who is. Returns the exit code."""
    began = time.monotonic()
    try:
        fd = _take(os.path.join(root, "run", "spawner.lock"))
        if fd is None:
            return _yield(root)
        notify.say("READY=1", f"MAINPID={os.getpid()}", "STATUS=taking over")
        from graced.members import spawner

        return spawner.main(root, fresh=None, foreground=True, role_fd=fd, ready_said=True)
    except OSError as error:
        print(f"graced: {error.filename or root}: {error.strerror}", file=sys.stderr, flush=True)
        slow_down(began)
        return 1
    except Exception:  # a broken file of ours, say: told whole, and not at full speed
        slow_down(began)
        raise


def slow_down(began: float) -> None:
    """Before an end that systemd answers with another start."""
    time.sleep(max(0.0, SLOW_S - (time.monotonic() - began)))


def _home(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """As --home says, else GRACED_HOME; None where only the configuration says it."""
    for n, word in enumerate(words):
        if word == "--home" and n + 1 < len(words):
            return os.path.abspath(words[n + 1])
        if word.startswith("--home="):
            return os.path.abspath(word.removeprefix("--home="))
    given = environ.get("GRACED_HOME")
    return os.path.abspath(given) if given else None


def _of_this_boot(root: str) -> bool:
    """Did a spawner of this boot hold the role? After a reboot nothing of it can live."""
    try:
        record = read_small(os.path.join(root, "run", "spawner.lock"), RECORD_BYTES)
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip() in record
    except OSError:
        return False


def _take(path: str) -> int | None:
    give_up = time.monotonic() + ROLE_S
    while True:
        fd = open_locked(path)
        if fd is not None or time.monotonic() >= give_up:
            return fd
        time.sleep(RETRY_S)


def _yield(root: str) -> int:
    """Somebody else is the spawner."""
    from graced.home.paths import Home
    from graced.home.presence import presence
    from graced.members.linux import shelf
    from graced.posix import proc

    home = Home(root)
    here = presence(home, "spawner")
    record = here.record
    if record is None or not here.alive:
        slow_down(time.monotonic())
        return LOST_EXIT
    try:
        theirs = notify.unit(proc.slurp(f"/proc/{record.pid}/cgroup").decode())
    except OSError:
        return LOST_EXIT
    if theirs != notify.unit():
        where = f"{root} runs already, outside of this unit (pid {record.pid})"
        print(f"graced: {where}; `graced stop --home {root}` ends it", file=sys.stderr, flush=True)
        slow_down(time.monotonic())
        return 1
    for name, fds in notify.received().items():
        for fd in fds:
            shelf.put(home, "spawner", {name: fd}, whole=False)
    notify.say(f"MAINPID={record.pid}", "READY=1", "STATUS=a survivor was quicker")
    return 0
