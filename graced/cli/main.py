"""`graced`: the first lines that run, so `--version` costs no more than an interpreter."""

import os
import sys
import time


def main() -> None:
    """The entry point of the package."""
    if sys.argv[1:] == ["--version"]:
        from graced import __version__

        print(f"graced {__version__}")
        return
    outer = "--foreground" in sys.argv and bool(os.environ.get("NOTIFY_SOCKET"))
    if outer:
        from graced.members.succession import succeed  # what systemd starts anew is there in a few milliseconds

        code = succeed(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    if sys.argv[1:3] == ["service", "sweep"]:
        from graced.cli.service import sweep  # as quick as may be: `systemctl stop` does not wait for it

        sweep(sys.argv[3:])
    from graced.cli.root import cli

    try:
        cli()
    except BaseException as end:
        if outer:
            _slow_down(end)
        raise


def _slow_down(end: BaseException) -> None:
    """A main process of systemd's that failed is started again at once; not one with a mistake in its configuration."""
    from graced.control.errors import EX_CONFIG
    from graced.members.succession import slow_down

    if not isinstance(end, SystemExit) or end.code not in (0, None, EX_CONFIG):
        slow_down(time.monotonic())
