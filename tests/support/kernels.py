"""Kernels to run: small scripts whose effect on files tells a test what they did and when.

Each starts with an interpreter without site packages, so that a birth costs 10 ms and not 100.
"""

import sys
from typing import Any, Final

PYTHON: Final = (sys.executable, "-I", "-S", "-c")
BEAT_S: Final = 0.05

_COUNTER: Final = f"""
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
while True:
    os.write(fd, b".")
    time.sleep({BEAT_S})
"""

_STUBBORN: Final = "import signal; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\n" + _COUNTER

_FAMILY: Final = """
import os, signal, subprocess, sys, time
folder, this = sys.argv[1], sys.argv[2:]
def note(name):
    with open(f"{folder}/{name}.tmp", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}/{name}.tmp", f"{folder}/{name}.pid")
def wait(name):
    note(name)
    while True:
        time.sleep(0.5)
if os.fork() == 0:
    wait("child")
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait("deaf")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        wait("daemon")
    os._exit(0)
os.wait()
wait("parent")
"""

_EXIT: Final = """
import sys, time
with open(sys.argv[1], "a") as file:
    print(time.clock_gettime(time.CLOCK_MONOTONIC), file=file)
time.sleep(float(sys.argv[3]))
sys.exit(int(sys.argv[2]))
"""

_POOL: Final = """
import os, select, signal, sys, time
folder, workers, job_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
finish, conduct = os.pipe()
def note(name, text):
    fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, text.encode() + b"\\n")
    os.close(fd)
def work(number):
    os.close(conduct)
    job = 0
    while not select.select([finish], [], [], 0)[0]:
        job += 1
        note("begun", f"{number}.{job}")
        time.sleep(job_s)
        note("done", f"{number}.{job}")
    os._exit(0)
for number in range(workers):
    if os.fork() == 0:
        work(number)
def end(*_):
    os.close(conduct)
    for _ in range(workers):
        os.wait()
    note("done", "pool")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
while True:
    signal.pause()
"""

_DUMP: Final = """
import json, os, sys, time
mask = os.umask(0o077)
with open(sys.argv[1] + ".tmp", "w") as file:
    json.dump({"cwd": os.getcwd(), "env": dict(os.environ), "umask": mask, "nice": os.nice(0), "sid": os.getsid(0),
               "pid": os.getpid(), "out": os.readlink("/proc/self/fd/1")}, file)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
while True:
    time.sleep(0.5)
"""


_TALKER: Final = """
import sys, time
for number in (1, 2, 3):
    print("line", number, flush=True)
    print("oops", number, file=sys.stderr, flush=True)
while True:
    time.sleep(0.5)
"""
TALK: Final = ("line 1", "oops 1", "line 2", "oops 2", "line 3", "oops 3")


def talker(**keys: Any) -> dict[str, Any]:
    """Says TALK, on standard output and error in turn, and lives on in silence."""
    return {"command": [*PYTHON, _TALKER], **keys}


def counter(path: object, **keys: Any) -> dict[str, Any]:
    """Appends one byte to `path` every BEAT_S, for ever."""
    return {"command": [*PYTHON, _COUNTER, str(path)], **keys}


def stubborn(path: object, **keys: Any) -> dict[str, Any]:
    """A counter that no polite signal ends."""
    return {"command": [*PYTHON, _STUBBORN, str(path)], **keys}


def family(folder: object, **keys: Any) -> dict[str, Any]:
    """A parent, a child, a child deaf to TERM and a daemon (setsid, two forks); each writes NAME.pid in `folder`."""
    return {"command": [*PYTHON, _FAMILY, str(folder)], **keys}


def disguised(folder: object, **keys: Any) -> dict[str, Any]:
    """A family whose processes have lost their environment, and with it the marks of graced."""
    return {"command": ["env", "-i", *PYTHON, _FAMILY, str(folder)], **keys}


def pool(folder: object, workers: int = 3, job_s: float = 0.4, **keys: Any) -> dict[str, Any]:
    """A parent that conducts the end of its workers: told to end, it lets each finish its job; a worker that is told
    itself dies in the middle of one. Each job is a line in `begun` and one in `done`, and so is the pool's own end."""
    return {"command": [*PYTHON, _POOL, str(folder), str(workers), str(job_s)], **keys}


FAMILY: Final = ("parent", "child", "deaf", "daemon")


def exiting(path: object, code: int, after_s: float = 0.0, **keys: Any) -> dict[str, Any]:
    """Writes the monotonic time of its start to `path`, a line a run, and exits with `code` after `after_s`."""
    return {"command": [*PYTHON, _EXIT, str(path), str(code), str(after_s)], **keys}


def dump(path: object, **keys: Any) -> dict[str, Any]:
    """Writes what it was born with to `path`, as JSON."""
    return {"command": [*PYTHON, _DUMP, str(path)], **keys}
