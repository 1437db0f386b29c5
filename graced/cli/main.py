"""`graced`: the first lines that run, so `--version` costs no more than an interpreter."""

import os
import sys
import time

LOCALE_OPTION = "graced_locale"
"""Of `python -X`: this process was begun again in UTF-8 mode, in a locale with another encoding."""


def main() -> None:
    """The entry point of the package."""
    _open_closed()
    _speak_utf8()
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


def _speak_utf8() -> None:
    """Names, arguments and environments are bytes to Linux, and what graced.yaml says of them is UTF-8.

    In a locale with another encoding Python would read and write them in that one: then this process begins again in
    UTF-8 mode (PEP 540), in which every byte comes out as it went in. What is printed stays in the locale's encoding.
    """
    if LOCALE_OPTION in sys._xoptions:
        import locale

        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding=locale.getencoding(), errors="replace")  # type: ignore[union-attr]
    elif not sys.flags.utf8_mode and sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", "-X", LOCALE_OPTION, *sys.orig_argv[1:]])


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
