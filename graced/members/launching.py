"""What a kernel is started with: its environment, its folder, its log."""

import os
from collections.abc import Callable
from typing import Final

from graced.config.env_file import read_env_file
from graced.home.kept import kept_environ
from graced.home.paths import Home
from graced.posix.files import make_dir
from graced.posix.limits import is_scarce
from graced.posix.spawn import Launch, launch
from graced.spec.config import Config, Kernel
from graced.spec.replicas import expand_replicas

# Set by an outer supervisor for graced itself; a kernel must not take them for its own.
STRIPPED: Final = (
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MAINPID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
)

Give = Callable[[Kernel], tuple[dict[str, str], tuple[tuple[int, int], ...]]]
"""The sockets of a kernel: (environment, (our descriptor, its number there) each); see graced.members.keeping."""


def inherited(home: Home) -> dict[str, str]:
    """The environment of the `graced start` that started the home."""
    kept = kept_environ(home)
    base = dict(os.environ) if kept is None else kept
    for name in STRIPPED:
        base.pop(name, None)
    return base


def environment_of(base: dict[str, str], kernel: Kernel) -> dict[str, str]:
    """What the configuration makes of the inherited one. Raises OSError or ValueError for a bad `env_file`."""
    env = dict(base)
    if kernel.env_file:
        env.update(read_env_file(kernel.env_file))
    env.update(kernel.env)
    return env


class Launcher:
    """Gives birth to kernels as the loaded configuration says; keeps their logs open."""

    def __init__(self, home: Home, config: Config, give: Give) -> None:
        self._home, self._give = home, give
        self.kernels: dict[str, Kernel] = expand_replicas(config)
        self._logs: dict[str, int] = {}
        self._base = inherited(home)

    def environment(self, kernel: Kernel, run: int) -> dict[str, str]:
        env = environment_of(self._base, kernel)
        env.update({"GRACED_HOME_ID": self._home.id(), "GRACED_KERNEL": kernel.name, "GRACED_RUN": str(run)})
        return env

    def launch(self, name: str, run: int) -> int:
        """The pid of run `run`. Raises OSError with a sentence in `strerror`."""
        kernel = self.kernels.get(name)
        if kernel is None:
            raise OSError(2, f"no kernel {name} in the configuration")
        told, fds = self._give(kernel)
        log = self._log(name)
        try:
            return launch(
                Launch(
                    name, list(kernel.command), {**self.environment(kernel, run), **told}, log, kernel.cwd, kernel.user,
                    kernel.group, kernel.umask, kernel.nice, kernel.oom_score_adj, listen_pid=bool(fds), keep_fd=fds,
                )
            )  # fmt: skip
        finally:
            if is_scarce(log):  # opened anew at the next birth
                del self._logs[name]
                os.close(log)

    def _log(self, name: str) -> int:
        """The kernel's log, O_APPEND; opened again when its path is another file (a person moved or deleted it)."""
        path = self._home.log(name)
        fd = self._logs.get(name)
        if fd is not None:
            try:
                here, there = os.fstat(fd), os.stat(path)
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                    return fd
            except OSError:
                pass
            os.close(fd)
        try:
            make_dir(self._home.logs, 0o700)  # a person may have deleted it
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._logs[name] = fd
        return fd
