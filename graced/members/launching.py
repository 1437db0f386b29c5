"""What a kernel is started with: its environment, its folder, its log."""

import os
from collections.abc import Callable

from graced.config.environment import environment_of
from graced.home.environment import for_kernels
from graced.home.kept import kept_environ
from graced.home.paths import Home
from graced.posix.spawn import Launch, launch
from graced.posix.users import login_environment
from graced.spec.config import Config, Kernel
from graced.spec.replicas import expand_replicas

Give = Callable[[Kernel], tuple[dict[str, str], tuple[tuple[int, int], ...]]]
"""The sockets of a kernel: (environment, (our descriptor, its number there) each); see graced.members.keeping."""


def inherited(home: Home) -> dict[str, str]:
    """The environment of the `graced start` that started the home."""
    kept = kept_environ(home)
    return for_kernels(os.environ if kept is None else kept)


def surroundings(base: dict[str, str], kernel: Kernel) -> dict[str, str]:
    """The whole environment of a kernel but for its marks. Raises OSError or ValueError for a bad `env_file`.

    Of another user it is that user's. Python's output is not kept back in a buffer: in a log it would be late, and what
    a program said last before a kill -9 would be missing. Both unless `env` or `env_file` say otherwise.
    """
    login = login_environment(kernel.user) if kernel.user else {}
    return environment_of({**base, "PYTHONUNBUFFERED": "1", **login}, kernel)


class Launcher:
    """Gives birth to kernels as the loaded configuration says. `output`: gives a descriptor for fds 1 and 2."""

    def __init__(self, home: Home, config: Config, output: Callable[[Kernel], int]) -> None:
        self._home, self._output = home, output
        self.kernels: dict[str, Kernel] = expand_replicas(config)
        self._base = inherited(home)

    def environment(self, kernel: Kernel, run: int) -> dict[str, str]:
        env = surroundings(self._base, kernel)
        env.update({"GRACED_HOME_ID": self._home.id(), "GRACED_KERNEL": kernel.name, "GRACED_RUN": str(run)})
        return env

    def unmarked(self, kernel: Kernel) -> dict[str, str]:
        """The kernel's environment without the marks of a run: for a command beside it."""
        return surroundings(self._base, kernel)

    def launch(self, name: str, run: int, give: Give) -> int:
        """The pid of run `run`. Raises OSError with a sentence in `strerror`."""
        kernel = self.kernels.get(name)
        if kernel is None:
            raise OSError(2, f"no kernel {name} in the configuration")
        told, fds = give(kernel)
        env = {**self.environment(kernel, run), **told}
        output = self._output(kernel)
        try:
            return launch(
                Launch(
                    name, list(kernel.command), env, output, kernel.cwd, kernel.user, kernel.group, kernel.umask,
                    kernel.nice, kernel.oom_score_adj, kernel.limits.open_files, bool(fds), fds,
                )
            )  # fmt: skip
        finally:
            os.close(output)
