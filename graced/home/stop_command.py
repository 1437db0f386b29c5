"""Starts a kernel's `stop.command`, as the kernel is started, but without its marks: it is none of its processes."""

import os
from collections.abc import Mapping

from graced.posix.spawn import Launch, launch
from graced.spec.config import Kernel


def start(kernel: Kernel, env: Mapping[str, str], main_pid: int) -> int:
    """Its pid; its output goes nowhere. `env`: the kernel's own; MAINPID is added, as systemd does.

    Raises OSError or ValueError when it cannot be run; then it is passed over, as the signal comes next.
    """
    argv = list(kernel.stop.command or ())
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        told = {**env, "MAINPID": str(main_pid)}
        return launch(Launch(kernel.name, argv, told, null, kernel.cwd, kernel.user, kernel.group))
    finally:
        os.close(null)
