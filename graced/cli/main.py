"""`graced`: the first lines that run, so `--version` costs no more than an interpreter."""

import os
import sys


def main() -> None:
    """The entry point of the package."""
    if sys.argv[1:] == ["--version"]:
        from graced import __version__

        print(f"graced {__version__}")
        return
    if "--foreground" in sys.argv and os.environ.get("NOTIFY_SOCKET"):
        from graced.members.succession import succeed  # what systemd starts anew is there in a few milliseconds

        code = succeed(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    if sys.argv[1:3] == ["service", "sweep"]:
        from graced.cli.service import sweep  # as quick as may be: `systemctl stop` does not wait for it

        sweep(sys.argv[3:])
    from graced.cli.root import cli

    cli()
