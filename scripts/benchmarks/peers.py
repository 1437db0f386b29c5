"""Other supervisors, at the fastest settings that their manuals offer, each installed into a venv of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from cost import idle
from figures import figures
from words import Program

INSTALL_S = 180.0
END_S = 5.0
GAP_S = 0.25

SUPERVISORD = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
[program:bench]
command=/bin/sh -c "{script}"
autorestart=true
startsecs=0
"""

CIRCUS = """\
[circus]
check_delay = 0.1
endpoint = ipc://{folder}/endpoint
pubsub_endpoint = ipc://{folder}/pubsub
statsd = false
[watcher:bench]
cmd = /bin/sh -c "{script}"
graceful_timeout = 1
"""

PEERS: dict[str, tuple[str, str, Callable[[str, str], list[str]]]] = {
    "supervisord": ("supervisor", SUPERVISORD, lambda bin, file: [f"{bin}/supervisord", "-c", file]),
    "circus": ("circus", CIRCUS, lambda bin, file: [f"{bin}/circusd", file]),
}
"""name: (what pip calls it, configuration, command line)."""


def measure(name: str, folder: str, kills: int, idle_s: float) -> dict[str, Any]:
    """All that can be compared; {"skipped": why} when the peer cannot be had."""
    package, configuration, command = PEERS[name]
    venv = os.path.join(folder, "venv")
    why = _install(venv, package)
    if why:
        return {"skipped": why}
    program = Program(folder)
    file = os.path.join(folder, f"{name}.conf")
    with open(file, "w", encoding="utf-8") as text:
        text.write(configuration.format(folder=folder, script=program.script))
    with open(os.path.join(folder, "output"), "w", encoding="utf-8") as output:
        began = time.monotonic()
        daemon = subprocess.Popen(
            command(os.path.join(venv, "bin"), file), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
        )
    try:
        cold = program.say() - began
        times = []
        for _ in range(kills):
            time.sleep(GAP_S)
            times.append(program.kill())
        costs = idle({name: daemon.pid}, idle_s)["all"]
        return {
            "version": _version(venv, package),
            "cold_start_ms": cold * 1000,
            "kernel": figures(times),
            "idle": costs,
        }
    except TimeoutError as error:
        return {"skipped": str(error)}
    finally:
        _end(daemon, program)
        shutil.rmtree(venv, ignore_errors=True)


def _install(venv: str, package: str) -> str:
    pip = [os.path.join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for words in ([sys.executable, "-m", "venv", venv], [*pip, package]):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return f"not installed within {INSTALL_S:g} s"
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return f"cannot be installed: {lines[-1] if lines else 'no reason given'}"
    return ""


def _version(venv: str, package: str) -> str:
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    words = [os.path.join(venv, "bin", "python"), "-c", code, package]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def _end(daemon: "subprocess.Popen[bytes]", program: Program) -> None:
    daemon.terminate()
    try:
        daemon.wait(END_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    if program.pid and os.path.exists(f"/proc/{program.pid}"):
        with open(f"/proc/{program.pid}/cmdline", "rb") as file:
            if file.read().startswith(b"sleep\0001000000"):
                os.kill(program.pid, signal.SIGKILL)
    program.close()
