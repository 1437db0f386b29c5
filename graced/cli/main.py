"""`graced`: the first lines that run, so `--version` costs no more than an interpreter."""

import os
import sys
import time


def main() -> None:
    """The entry point of the package."""
    _open_closed()
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


def _open_closed() -> None:
    """A standard stream that the caller closed is /dev/null from here on.

    Else the next file that is opened, a lock or state.db, gets its number, and takes whatever is printed; and
    sys.stderr is None.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # the new one gets this very number: the lowest that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8", errors="replace")  # noqa: SIM115 - open to the end
            setattr(sys, name, stream)


def _slow_down(end: BaseException) -> None:
    """A main process of systemd's that failed is started again at once; not one with a mistake in its configuration."""
    from graced.control.errors import EX_CONFIG
    from graced.members.succession import slow_down

    if not isinstance(end, SystemExit) or end.code not in (0, None, EX_CONFIG):
        slow_down(time.monotonic())
