"""Which variables of an environment are for one process alone, and are stripped before another one inherits it."""

from collections.abc import Mapping
from typing import Final

from graced.home.paths import Home
from graced.posix.scan import HOME_TAG

LISTEN_TAGS: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
OUTER_TAGS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", *LISTEN_TAGS)
"""Said by an outer supervisor to the process that it started itself."""

KERNEL_TAGS: Final = ("GRACED_KERNEL", "GRACED_RUN", "GRACED_REPLICA")
"""Of a kernel of another home that runs this command; a spawner with them would count as that kernel."""

NOT_FOR_KERNELS: Final = frozenset(
    {HOME_TAG, *KERNEL_TAGS, *OUTER_TAGS, "MAINPID", "INVOCATION_ID", "JOURNAL_STREAM"}
)  # fmt: skip


def for_kernels(environ: Mapping[str, str]) -> dict[str, str]:
    """What kernels inherit of the environment of a `graced start`."""
    return {name: value for name, value in environ.items() if name not in NOT_FOR_KERNELS}


def for_spawner(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, marked with the home, so that `graced stop` finds it in its first milliseconds."""
    kept = {name: value for name, value in environ.items() if name not in (*KERNEL_TAGS, HOME_TAG)}
    return {**kept, HOME_TAG: home.id()}
