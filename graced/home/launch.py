"""The cold start of a spawner, by a person's `start` or by a survivor. Light: members import this."""

import os
import sys
from typing import Final

from graced.home.environment import OUTER_TAGS, for_spawner
from graced.home.paths import Home
from graced.posix.spawn import cold_start

PYTHON: Final = (sys.executable, "-X", "utf8", "-P")
"""In UTF-8 mode names, arguments and environments go through as the bytes that they are, whatever the locale."""

SPAWNER_MODULE: Final = "graced.members.spawner"


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
    argv = [*PYTHON, "-m", SPAWNER_MODULE, "--home", home.root, "--id", home.id(), *words]
    return cold_start(argv, for_spawner(home, environ), home.log("spawner"), role_fd, as_child)
