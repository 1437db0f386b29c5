"""What is said when graced.yaml is not what runs: it was changed since, or another file was meant."""

import os
from collections.abc import Iterable
from typing import Final

from graced.control.log_notes import local
from graced.home.kept import kept_config
from graced.home.loaded import changed
from graced.home.paths import Home

SHOWN: Final = 3
APPLY: Final = "`graced stop`, then `graced start`"
"""How a changed file comes into effect."""


def drift(home: Home, given: str | None = None) -> str:
    """One sentence, empty when what runs is what the files say. `given`: the file that the command line names."""
    source = kept_config(home).source
    if given is not None and source is not None and not _same(given, source):
        return f"what runs was loaded from {source}, not from {given}: {APPLY} to change to that"
    files, at = changed(home)
    if not files:
        return ""
    names = _listed(files)
    verb = "has" if len(files) == 1 else "have"
    since = f"{names} {verb} changed since it was loaded ({local(at)})"
    return f"{since}: what runs is as it was then; to apply it: {APPLY}"


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _listed(files: Iterable[str]) -> str:
    names = list(files)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
