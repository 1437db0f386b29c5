"""`graced`: the first lines that run, so `--version` costs no more than an interpreter."""

import sys


def main() -> None:
    """The entry point of the package."""
    if sys.argv[1:] == ["--version"]:
        from graced import __version__

        print(f"graced {__version__}")
        return
    from graced.cli.root import cli

    cli()
