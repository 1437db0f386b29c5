"""Run a command to its end, for a playbook: in a process group of its own, bounded in time and output.

It dies with the worker that runs it: a step whose worker was killed does not go on behind the back of the next one.
"""

import os
import selectors
import shlex
import signal
import subprocess
import time
from typing import Final

from graced.playbooks.perform import Outcome
from graced.posix.proc import die_with_parent

GRACE_S: Final = 0.2
"""After the command has ended, its output is read for so long more: what it left behind may hold the pipe open."""

_CHUNK_BYTES: Final = 64 * 1024


def run(command: list[str] | str, cwd: str, env: dict[str, str], timeout_s: float, keep_bytes: int) -> Outcome:
    """Well if it exits 0. Past `timeout_s` its whole group is killed. Of each output the last `keep_bytes` are kept."""
    try:
        argv = shlex.split(command) if isinstance(command, str) else command
    except ValueError as wrong:
        return Outcome(False, f"the command cannot be split into words: {wrong}")
    if not argv:
        return Outcome(False, "the command names no program")
    deadline = time.monotonic() + timeout_s
    try:
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_die_with_worker,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return Outcome(False, f"{argv[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
    try:
        stdout, stderr, in_time = _read(child, deadline, keep_bytes)
    finally:
        if child.poll() is None:
            _kill(child)
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    out, err = stdout.decode(errors="replace"), stderr.decode(errors="replace")
    output = {"code": child.returncode, "stdout": out, "stderr": err}
    if not in_time:
        return Outcome(False, f"{argv[0]} was killed after {timeout_s:g} s", output)
    if child.returncode:
        last = (err.strip() or out.strip()).rsplit("\n", 1)[-1][:200]
        how = f"exit {child.returncode}" if child.returncode > 0 else f"signal {-child.returncode}"
        return Outcome(False, f"{argv[0]}: {how}" + (f": {last}" if last else ""), output)
    return Outcome(True, f"{argv[0]}: exit 0", output)


def _die_with_worker() -> None:
    die_with_parent(signal.SIGKILL)


def _read(child: "subprocess.Popen[bytes]", deadline: float, keep_bytes: int) -> tuple[bytes, bytes, bool]:
    """Both outputs until they end or the child is gone, and whether that was before the deadline."""
    assert child.stdout is not None and child.stderr is not None
    kept = {child.stdout.fileno(): b"", child.stderr.fileno(): b""}
    pidfd = os.pidfd_open(child.pid)
    ended_at = None
    try:
        with selectors.DefaultSelector() as selector:
            for fd in (*kept, pidfd):
                selector.register(fd, selectors.EVENT_READ)
            reading = set(kept)
            while reading or ended_at is None:
                until = deadline if ended_at is None else min(deadline, ended_at + GRACE_S)
                left = until - time.monotonic()
                if left <= 0:
                    break
                for key, _ in selector.select(left):
                    if key.fd == pidfd:
                        ended_at = time.monotonic()
                        selector.unregister(pidfd)
                        continue
                    chunk = os.read(key.fd, _CHUNK_BYTES)
                    if chunk:
                        kept[key.fd] = (kept[key.fd] + chunk)[-keep_bytes:]
                    else:
                        selector.unregister(key.fd)
                        reading.discard(key.fd)
    finally:
        os.close(pidfd)
    return kept[child.stdout.fileno()], kept[child.stderr.fileno()], ended_at is not None


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """The whole group; the child is ours and not yet reaped, so its group is no stranger's."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()
