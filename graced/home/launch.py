"""The cold start of a spawner, by a person's `start` or by a survivor. Light: members import this."""

import os
import sys
from collections.abc import Mapping
from typing import Final

from graced.home.paths import Home
from graced.posix.scan import HOME_TAG
from graced.posix.spawn import cold_start

SPAWNER_MODULE: Final = "graced.members.spawner"
KERNEL_TAGS: Final = ("GRACED_KERNEL", "GRACED_RUN", "GRACED_REPLICA")
"""Of a kernel of another home that runs this command; a spawner with them would count as that kernel."""

OUTER_TAGS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""Said by an outer supervisor to the process that it started itself."""


def launch_spawner(home: Home, fresh: bool, as_child: bool, role_fd: int | None = None) -> int:
    """Starts a spawner in the background and returns its pid. Whether it gets its role is up to the role lock.

    fresh: it is the first, and starts everyone. role_fd: the role lock, which this process holds and gives to it.
    Raises OSError when it cannot be executed.
    """
    environ = dict(os.environ)
    if fresh:  # of a shell that runs inside of somebody's service: that one does not look after us
        for name in OUTER_TAGS:
            environ.pop(name, None)
    words = [*(["--fresh"] if fresh else []), *([] if role_fd is None else ["--role-fd", str(role_fd)])]
    argv = [sys.executable, "-P", "-m", SPAWNER_MODULE, "--home", home.root, "--id", home.id(), *words]
    return cold_start(argv, spawner_environ(home, environ), home.log("spawner"), role_fd, as_child)


def spawner_environ(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, marked with the home, so that `graced stop` finds it in its first milliseconds."""
    kept = {key: value for key, value in environ.items() if key not in (*KERNEL_TAGS, HOME_TAG)}
    return {**kept, HOME_TAG: home.id()}
